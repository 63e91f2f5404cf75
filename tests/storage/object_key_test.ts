import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkKey } from "../../lib/storage/object_key.ts";

describe("checkKey()", () => {
  it("accepts parts of letters, digits and . _ - with single slashes between", () => {
    for (const key of ["a", "A/b-c/d_e/0.9", "...", "a..b", ".a/..b", "x".repeat(512)]) checkKey("put", key);
  });

  it("names the call and what is wrong", () => {
    assert.throws(() => checkKey("put", "a//b"), /^TypeError: put: key must be parts of .* not "a\/\/b"$/);
    assert.throws(() => checkKey("get", ""), /^TypeError: get: key must not be empty$/);
    assert.throws(
      () => checkKey("get", "x".repeat(513)),
      /^TypeError: get: key must have at most 512 characters, not 513$/,
    );
    assert.throws(() => checkKey("head", 5), /^TypeError: head: key must be a string, not 5$/);
    for (const key of ["/", "/a", "a/", ".", "..", "a/./b", "a/..", "é", "a b", "a\0", "a~", "a\n"]) {
      assert.throws(() => checkKey("put", key), TypeError, JSON.stringify(key));
    }
  });
});
