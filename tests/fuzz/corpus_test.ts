/** The inputs that were kept, tried again. See `corpus.ts`. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { AllocationWatch } from "./allocations.ts";
import { corpusNames, corpusOf } from "./corpus.ts";
import { TARGETS } from "./targets/all.ts";
import { BUFFER_BYTES_MAX, judge } from "./verdict.ts";

const CORPUS_BYTES_MAX = 300 * 1024;

describe("the corpus", () => {
  const watch = new AllocationWatch(BUFFER_BYTES_MAX);
  let inputs = 0;
  let bytes = 0;
  after(() => {
    watch.stop();
    console.log(`${inputs} inputs of ${bytes} bytes tried again`);
  });

  it("has inputs for every decoder, and for nothing else", () => {
    assert.deepEqual(corpusNames(), TARGETS.map(({ name }) => name).sort());
  });

  for (const target of TARGETS) {
    it(`of ${target.name} decodes or is refused`, async () => {
      await target.seeds();
      const kept = corpusOf(target.name);
      assert.ok(kept.length > 0, "nothing is kept");
      for (const [name, input] of kept) {
        await judge(target, input, watch).catch((error) => assert.fail(`${name} ${error.message}`));
        inputs++;
        bytes += input.length;
      }
    });
  }

  it(`takes less than ${CORPUS_BYTES_MAX} bytes`, () =>
    assert.ok(bytes > 0 && bytes < CORPUS_BYTES_MAX, String(bytes)));
});
