import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryContent } from "../../lib/files/memory/memory_content.ts";
import { pattern } from "./file_system_suite.ts";

const bytesOf = (content: MemoryContent): Uint8Array => {
  const into = new Uint8Array(content.size);
  assert.equal(content.read(into, 0), content.size);
  return into;
};

describe("MemoryContent", () => {
  it("shares memory with its copies and never shows it", () => {
    // Copies, appends, cuts and holes in an order that a small generator picks, beside plain arrays that copy all.
    let state = 20261121;
    const pick = (n: number): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0, (state >>> 8) % n);
    const pairs = [{ content: new MemoryContent(), plain: new Uint8Array(0) }];
    for (let step = 1; step <= 2000; step++) {
      const pair = pairs[pick(pairs.length)]!;
      const { content, plain } = pair;
      switch (pick(5)) {
        case 0: {
          const size = pick(content.size + 1);
          pairs[pairs.length < 6 ? pairs.length : pick(6)] = {
            content: content.copy(size),
            plain: plain.slice(0, size),
          };
          break;
        }
        case 1: {
          const size = pick(2) === 0 ? pick(content.size + 1) : Math.min(content.size + pick(1000), 400_000);
          content.truncate(size);
          pair.plain = new Uint8Array(size);
          pair.plain.set(plain.subarray(0, size));
          break;
        }
        case 2: {
          const from = pick(content.size + 1);
          const to = from + pick(content.size - from + 1);
          content.erase(from, to);
          plain.fill(0, from, to);
          break;
        }
        default: {
          if (content.size > 400_000) break;
          const added = pattern(pick(3) === 0 ? pick(150_000) : pick(300), step);
          content.append(added);
          pair.plain = new Uint8Array(plain.length + added.length);
          pair.plain.set(plain);
          pair.plain.set(added, plain.length);
        }
      }
      if (step % 10 === 0) {
        for (const { content, plain } of pairs) assert.ok(equal(bytesOf(content), plain), `step ${step}`);
      }
    }
  });

  function equal(a: Uint8Array, b: Uint8Array): boolean {
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
});
