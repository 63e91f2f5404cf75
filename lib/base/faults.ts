/**
 * Checks of the faults that tests inject: one that could never strike, for a slip in a name, would let a test pass.
 *
 * @module
 */
import { checkOptions, choiceOption, describeValue, functionOption, numberOption } from "./options.ts";

/** Refuses what is no fault: when it strikes, one of `kinds` or a function that draws one, how often, and further `functions`. */
export function checkFault(fault: unknown, kinds: readonly string[], functions: readonly string[]): void {
  const call = "inject";
  const checked = checkOptions(call, fault, ["at", "do", "times", ...functions]);
  const { at, do: kind } = checked;
  if (typeof at !== "number" && typeof at !== "function") {
    throw new TypeError(`${call}: option "at" must be the number of a call or a function, not ${describeValue(at)}`);
  }
  if (kind === undefined) throw new TypeError(`${call}: option "do" is missing; it says what happens`);
  if (typeof kind !== "function") choiceOption(call, checked, "do", undefined, kinds);
  numberOption(call, checked, "times", undefined, { min: 0, max: Infinity, integer: false });
  for (const name of functions) functionOption(call, checked, name);
}
