/**
 * What Deno lets a program do. On a terminal it asks whoever sits there for what it was not told, in the middle of a call that
 * could do without: so what is best effort looks here first.
 *
 * @module
 */

/** As much of `Deno.permissions` as is needed here. */
interface Permissions {
  querySync(wanted: Wanted): { state: string };
}

/** A permission, as Deno describes it. */
export type Wanted =
  | { name: "env"; variable: string }
  | { name: "sys"; kind: "statfs" }
  | { name: "read" | "write"; path: string };

/** Whether something may be done without anybody being asked: in other runtimes always. */
export function isGranted(wanted: Wanted): boolean {
  const { permissions } = (globalThis as { Deno?: { permissions?: Permissions } }).Deno ?? {};
  return permissions === undefined || permissions.querySync(wanted).state === "granted";
}
