/**
 * Tests written for `vitest`, run one by one: what `@keyv/test-suite` uses of it, on `node:assert`. So each can be a test of
 * another runner, with all its assertions.
 */
import assert from "node:assert/strict";

type Step = (context: { expect: Expect }) => unknown;
type Matchers = Record<
  "toBeTruthy" | "toBeFalsy" | "toBeUndefined" | "toBeDefined" | "toBeNull" | "toBe" | "toEqual",
  (wanted?: unknown) => void
>;
interface Expect {
  (value: unknown): Matchers & { not: Pick<Matchers, "toBe"> };
  assertions(count: number): void;
}

/** What a suite is given in the place of `vitest`. */
export interface Vitest {
  /** Registers a test. */
  it(name: string, run: Step): void;
  /** Registers what runs before each. */
  beforeEach(run: () => unknown): void;
  /** Registers what runs after each. */
  afterEach(run: () => unknown): void;
}

/** A test that was written for `vitest`, not run yet. */
export interface VitestTest {
  /** Its name. */
  name: string;
  /** Runs it to its end, and what belongs before and after it; resolves to how many assertions it made. */
  run(): Promise<number>;
}

/** The tests that `register` would run. */
export function collectTests(register: (vitest: Vitest) => void): VitestTest[] {
  const [tests, before, after]: [VitestTest[], (() => unknown)[], (() => unknown)[]] = [[], [], []];
  register({
    it(name, step) {
      const run = async (): Promise<number> => {
        for (const each of before) await each();
        const counted = countingExpect();
        try {
          await step({ expect: counted.expect });
        } finally {
          for (const each of after) await each();
        }
        if (counted.wanted !== undefined) assert.equal(counted.made, counted.wanted, `${name}: number of assertions`);
        assert.ok(counted.made > 0, `${name}: no assertion was made`);
        return counted.made;
      };
      tests.push({ name, run });
    },
    beforeEach: (each) => before.push(each),
    afterEach: (each) => after.push(each),
  });
  return tests;
}

function countingExpect(): { expect: Expect; made: number; wanted: number | undefined } {
  const expect = (value: unknown): Matchers & { not: Pick<Matchers, "toBe"> } => {
    counted.made++;
    return {
      toBeTruthy: () => assert.ok(value),
      toBeFalsy: () => assert.ok(!value, `${String(value)} is truthy`),
      toBeUndefined: () => assert.equal(value, undefined),
      toBeDefined: () => assert.notEqual(value, undefined),
      toBeNull: () => assert.equal(value, null),
      toBe: (wanted) => assert.ok(Object.is(value, wanted), `${String(value)} is not ${String(wanted)}`),
      toEqual: (wanted) => assert.deepEqual(value, wanted),
      not: { toBe: (other) => assert.ok(!Object.is(value, other), `it is ${String(other)}`) },
    };
  };
  const counted = {
    expect: Object.assign(expect, { assertions: (count: number) => void (counted.wanted = count) }),
    made: 0,
    wanted: undefined as number | undefined,
  };
  return counted;
}
