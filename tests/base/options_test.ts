import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import {
  booleanOption,
  checkOptions,
  choiceOption,
  describeValue,
  functionOption,
  nearestName,
  numberOption,
  pathOf,
  signalOption,
  stringOption,
  timeOption,
} from "../../lib/base/options.ts";

const refused = (work: () => unknown, type: ErrorConstructor, message: string): void =>
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof type, String(error));
    assert.equal(error.message, message);
    return true;
  });

describe("checkOptions", () => {
  const known = ["cacheBytes", "readOnly", "durability"];

  it("gives the known options, without those left undefined", () => {
    assert.deepEqual(checkOptions("DB.open", undefined, known), {});
    assert.deepEqual(checkOptions("DB.open", { readOnly: undefined, cacheBytes: 5 }, known), { cacheBytes: 5 });
  });

  it("names an unknown option, and the one that was likely meant", () => {
    const message = 'DB.open: unknown option "cacheBtyes"; did you mean "cacheBytes"?';
    refused(() => checkOptions("DB.open", { cacheBtyes: 1 }, known), TypeError, message);
    refused(
      () => checkOptions("DB.open", { sync: undefined }, known),
      TypeError,
      'DB.open: unknown option "sync"; there are "cacheBytes", "readOnly", "durability"',
    );
    // As many slips as letters are no slips.
    refused(() => checkOptions("f", { id: 1 }, ["at"]), TypeError, 'f: unknown option "id"; there is "at"');
    refused(() => checkOptions("f", { id: 1 }, []), TypeError, 'f: unknown option "id"');
    // Of many nobody finds the one that is meant in a line.
    const many = Array.from({ length: 9 }, (_, n) => `option${n}`);
    refused(() => checkOptions("f", { id: 1 }, many), TypeError, 'f: unknown option "id"');
  });

  it("refuses what is no object", () => {
    for (const [value, shown] of [[null, "null"], [5, "5"], ["x", '"x"'], [[], "an array"]] as const) {
      refused(() => checkOptions("f", value, known), TypeError, `f: options must be an object, not ${shown}`);
    }
  });

  it("refuses an object that holds nothing by name, which would pass for no options at all", () => {
    const { signal } = new AbortController();
    for (
      const [value, shown] of [
        [new Date(0), "a Date"],
        [new Map([["readOnly", true]]), "a Map"],
        [Promise.resolve({ readOnly: true }), "a Promise"],
        [signal, "an AbortSignal"],
        [new Uint8Array(0), "bytes"],
      ] as const
    ) {
      refused(() => checkOptions("f", value, known), TypeError, `f: options must be an object, not ${shown}`);
    }
  });

  it("takes objects of every make that have options", () => {
    class Fields {
      readOnly = true;
    }
    class Getter {
      get readOnly(): boolean {
        return true;
      }
    }
    for (
      const options of [
        new Fields(),
        new Getter(),
        Object.freeze({ readOnly: true }),
        runInNewContext("({ readOnly: true })"),
      ]
    ) {
      assert.deepEqual(checkOptions("f", options, known), { readOnly: true });
    }
    for (const none of [Object.create(null), Object.create({}), runInNewContext("({})")]) {
      assert.deepEqual(checkOptions("f", none, known), {});
    }
  });

  it("reads each option once, inherited ones too", () => {
    let reads = 0;
    const options = Object.create({ readOnly: true }, {
      cacheBytes: { enumerable: true, get: () => ++reads },
    });
    const checked = checkOptions("f", options, known);
    assert.equal(checked["cacheBytes"], 1);
    assert.equal(checked["cacheBytes"], 1);
    assert.equal(checked["readOnly"], true);
  });
});

describe("option checks", () => {
  it("fall back when the option is left out", () => {
    assert.equal(booleanOption("f", {}, "a", true), true);
    assert.equal(numberOption("f", {}, "a", undefined, { min: 0, max: 1 }), undefined);
    assert.equal(choiceOption("f", {}, "a", "x", ["x", "y"]), "x");
    assert.equal(stringOption("f", {}, "a", undefined), undefined);
    assert.equal(functionOption("f", {}, "a"), undefined);
    assert.equal(signalOption("f", {}), undefined);
    assert.equal(timeOption("f", {}, "a", 7), 7);
  });

  it("give what is fine", () => {
    const signal = new AbortController().signal;
    const work = (): void => {};
    assert.equal(booleanOption("f", { a: false }, "a", true), false);
    assert.equal(numberOption("f", { a: 1 }, "a", 0, { min: 0, max: 1 }), 1);
    assert.equal(numberOption("f", { a: 0.5 }, "a", 0, { min: 0, max: 1, integer: false }), 0.5);
    assert.equal(choiceOption("f", { a: "y" }, "a", "x", ["x", "y"]), "y");
    assert.equal(stringOption("f", { a: "y" }, "a", "x"), "y");
    assert.equal(functionOption("f", { a: work }, "a"), work);
    assert.equal(signalOption("f", { signal }), signal);
    assert.equal(timeOption("f", { a: new Date(5) }, "a", undefined), 5);
    assert.equal(timeOption("f", { a: 6 }, "a", undefined), 6);
  });

  it("refuse the wrong type with a TypeError that names the option", () => {
    refused(() => booleanOption("f", { a: 1 }, "a", true), TypeError, 'f: option "a" must be true or false, not 1');
    refused(
      () => numberOption("f", { a: "5" }, "a", 0, { min: 0, max: 9 }),
      TypeError,
      'f: option "a" must be a number, not "5"',
    );
    refused(
      () => choiceOption("DB.open", { durability: "sync" }, "durability", "commit", ["commit", "interval", "buffered"]),
      TypeError,
      'DB.open: option "durability" must be one of "commit", "interval", "buffered", not "sync"',
    );
    refused(() => stringOption("f", { a: null }, "a", ""), TypeError, 'f: option "a" must be a string, not null');
    refused(
      () => stringOption("f", { a: "" }, "a", "x"),
      TypeError,
      'f: option "a" must be a string that is not empty, not ""',
    );
    refused(() => functionOption("f", { a: {} }, "a"), TypeError, 'f: option "a" must be a function, not an object');
    refused(
      () => signalOption("f", { signal: new Map() }),
      TypeError,
      'f: option "signal" must be an AbortSignal, not a Map',
    );
    refused(
      () => timeOption("f", { at: "now" }, "at", undefined),
      TypeError,
      'f: option "at" must be a Date or milliseconds since the Unix epoch, not "now"',
    );
  });

  it("refuse numbers out of range with a RangeError", () => {
    const number = (value: number, max = 9): number => numberOption("f", { a: value }, "a", 0, { min: 1, max });
    refused(() => number(10), RangeError, 'f: option "a" must be a whole number from 1 to 9, not 10');
    refused(() => number(0), RangeError, 'f: option "a" must be a whole number from 1 to 9, not 0');
    refused(() => number(1.5), RangeError, 'f: option "a" must be a whole number from 1 to 9, not 1.5');
    refused(() => number(NaN), RangeError, 'f: option "a" must be a whole number from 1 to 9, not NaN');
    refused(() => number(0, Infinity), RangeError, 'f: option "a" must be a whole number of at least 1, not 0');
    assert.throws(() => number(Infinity, Infinity), RangeError);
    assert.throws(() => timeOption("f", { a: new Date(NaN) }, "a", undefined), /not an invalid Date/);
    assert.throws(() => timeOption("f", { a: Infinity }, "a", undefined), RangeError);
  });
});

describe("pathOf", () => {
  it("takes strings as they are and file URLs", () => {
    assert.equal(pathOf("DB.open", "./data"), "./data");
    assert.equal(pathOf("DB.open", new URL("file:///tmp/a%20b")), "/tmp/a b");
    assert.equal(pathOf("DB.open", "file:///tmp/a%20b"), "/tmp/a b");
    assert.equal(pathOf("DB.open", "C://a"), "C://a");
  });

  it("refuses everything else", () => {
    assert.throws(() => pathOf("DB.open", ""), TypeError);
    assert.throws(() => pathOf("DB.open", "a\0b"), TypeError);
    assert.throws(() => pathOf("DB.open", new URL("https://example.com/a")), /not a https: URL/);
    assert.throws(
      () => pathOf("DB.open", "s3://bucket/a"),
      /DB.open: s3:\/\/ is not a path; give a path or a file: URL/,
    );
    assert.throws(() => pathOf("DB.open", 5 as never), /DB.open: path must be a string or a file: URL, not 5/);
  });
});

describe("nearestName", () => {
  it("finds slips and nothing else", () => {
    const known = ["cacheBytes", "blobBytes", "durability"];
    assert.equal(nearestName("cachebytes", known), "cacheBytes");
    assert.equal(nearestName("blobByte", known), "blobBytes");
    assert.equal(nearestName("duribility", known), "durability");
    assert.equal(nearestName("encryption", known), undefined);
    assert.equal(nearestName("x", []), undefined);
  });
});

describe("describeValue", () => {
  it("shows values shortly", () => {
    assert.equal(describeValue("a".repeat(100)).length, 62);
    assert.equal(describeValue(5n), "5n");
    assert.equal(describeValue(Symbol("x")), "a symbol");
    assert.equal(describeValue(new Uint8Array(3)), "bytes");
    assert.equal(describeValue(new Date(0)), "a Date");
    assert.equal(describeValue(new Map()), "a Map");
    assert.equal(describeValue(Object.create(null)), "an object");
    assert.equal(describeValue(undefined), "undefined");
  });
});
