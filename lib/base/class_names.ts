/**
 * Names of classes that a minifier leaves alone.
 *
 * @module
 */

/**
 * Gives classes the names that they have here. A minifier gives them others, and an error is told by that of its class: in
 * `name`, in traces, and in a repository's audit log, which stays.
 */
export function keepNames(classes: Readonly<Record<string, abstract new (...args: never[]) => Error>>): void {
  for (const [name, kind] of Object.entries(classes)) Object.defineProperty(kind, "name", { value: name });
}
