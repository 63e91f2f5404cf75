/**
 * Options as the benches take them.
 *
 * @module
 */

/** A list with commas between, of names that are known; all of them, if left out. */
export function list<T extends string>(text: string | undefined, known: readonly T[], what: string): T[] {
  const names = text?.split(",") ?? [...known];
  for (const name of names) {
    if (!known.includes(name as T)) throw new TypeError(`Unknown ${what} "${name}"; there are: ${known.join(" ")}`);
  }
  return names as T[];
}

/** A number above zero, which may be written as 200_000. */
export function positive(text: string | undefined, fallback: number, what: string): number {
  const value = text === undefined ? fallback : Number(text.replaceAll("_", ""));
  if (!(value > 0)) throw new RangeError(`--${what} takes a number above zero, not "${text}".`);
  return value;
}
