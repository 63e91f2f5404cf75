/**
 * Changed inputs for every decoder of the library: each decodes, or is refused by an error of the library. `HOLDFAST_SEED=7`
 * runs the cases of that seed, `HOLDFAST_LONG=1` many more; `npm run fuzz -- decoders` goes on for as long as you like.
 */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { DecodeError } from "../../lib/base/bytes.ts";
import { IntegrityError } from "../../lib/base/errors.ts";
import { LONG, SEED } from "../crash/random.ts";
import { fuzzTarget } from "./run.ts";
import type { Steps, Target } from "./target.ts";
import { TARGETS } from "./targets/all.ts";

/** Of each target, but for slow ones. */
const CASES = LONG ? 20_000 : 500;

describe("a decoder given changed bytes", () => {
  const total = { cases: 0, decoded: 0, outcomes: 0 };
  const started = performance.now();
  after(() => {
    const { cases, decoded, outcomes } = total;
    console.log(
      `${TARGETS.length} decoders, seed ${SEED}: ${cases} cases, ${decoded} of them decoded, ${outcomes} ways to be refused, ` +
        `${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
  });

  for (const target of TARGETS) {
    it(`decodes or refuses: ${target.name}`, async () => {
      const most = Math.ceil(CASES * (target.share ?? 1));
      const report = await fuzzTarget(target, { seed: SEED, more: (done) => done < most });
      assert.equal(report.cases, most);
      // Where nothing changed is ever good, or bad, the changes don't reach what they are for.
      assert.ok(report.decoded > 0, "nothing decoded");
      total.cases += report.cases;
      total.decoded += report.decoded;
      total.outcomes += report.shapes.size - 1;
    });
  }
});

describe("the rule for decoders", () => {
  const given = (decode: (bytes: Uint8Array, steps: Steps) => unknown, more: Partial<Target> = {}): Target => ({
    name: "made up",
    seeds: () => [new Uint8Array([1, 2, 3])],
    decode,
    ...more,
  });
  const run = (target: Target) => fuzzTarget(target, { seed: 1, more: (done) => done < 20 });

  it("takes errors of the library, and what a decoder's documentation states", async () => {
    const refusing = (error: Error) => () => {
      throw error;
    };
    assert.equal((await run(given(refusing(new IntegrityError("no"))))).cases, 20);
    assert.equal((await run(given(refusing(new DecodeError("no", 0))))).decoded, 0);
    await run(given(refusing(new RangeError("no")), { refuses: (error) => error instanceof RangeError }));
    await assert.rejects(run(given(refusing(new DecodeError("no", 0)), { coded: true })), /threw DecodeError/);
    await assert.rejects(run(given(refusing(new TypeError("no")))), /made up threw TypeError: no/);
  });

  it("notices a decoder that doesn't end, also when it catches the error", async () => {
    await assert.rejects(
      run(given((_, steps) => {
        for (;;) steps.take();
      })),
      /threw EndlessError/,
    );
    await assert.rejects(
      run(given((_, steps) => {
        try {
          steps.take(2 ** 30);
        } catch {
          return 1;
        }
        return 2;
      })),
      /does not end/,
    );
  });

  it("notices memory that is asked for, whatever comes of it", async () => {
    const asking = (ask: () => unknown) =>
      given(() => {
        try {
          return ask();
        } catch {
          return "caught";
        }
      });
    await assert.rejects(run(asking(() => new Uint8Array(2 ** 27))), /asked for 134217728 bytes/);
    await assert.rejects(run(asking(() => new ArrayBuffer(2 ** 50))), /asked for/);
    await assert.rejects(run(asking(() => new Float64Array(2 ** 24))), /asked for 134217728 bytes/);
    assert.equal((await run(asking(() => new Uint8Array(2 ** 20)))).decoded, 20);
    assert.equal(new Uint8Array(2 ** 27).length, 2 ** 27, "as before");
  });

  it("notices what is left on a prototype, and prototypes that come with the input", async () => {
    const polluting = run(given(() => {
      Object.defineProperty(Object.prototype, "left", { value: 1, configurable: true });
      return 1;
    }));
    await assert.rejects(polluting, /left something on Object.prototype/);
    delete (Object.prototype as { left?: unknown }).left;
    const foreign = (): unknown => [{ deep: Object.create({ admin: true }) as unknown }];
    await assert.rejects(run(given(foreign)), /an object with a prototype/);
  });

  it("notices a decoder that writes to its input, and an equality that doesn't hold", async () => {
    await assert.rejects(run(given((bytes) => void (bytes[0]! ^= 1))), /changed its input/);
    await assert.rejects(run(given((bytes) => assert.equal(bytes.length, -1))), /threw AssertionError/);
  });

  it("says how a case can be had again, which is the same then", async () => {
    const seen: string[] = [];
    const failing = given((bytes) => {
      seen.push(bytes.join());
      if (seen.length > 7) throw new TypeError("the eighth");
      return 1;
    });
    const error = await run(failing).then(() => assert.fail(), (error: Error) => error);
    const [, from, at, base64] = /--from (\d+) --case (\d+) --cases 1\ninput, base64: (.*)/.exec(error.message)!;
    const again = given((bytes) => void seen.push(bytes.join()));
    await fuzzTarget(again, { seed: Number(from), from: Number(at), more: (done) => done < 1 });
    assert.equal(seen.at(-1), seen[7]);
    assert.equal([...atob(base64!)].map((one) => one.charCodeAt(0)).join(), seen[7]);
  });
});
