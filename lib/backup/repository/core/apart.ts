/**
 * A database and its backups lie apart.
 *
 * @module
 */
import type { Engine } from "../../../engine/types.ts";
import { isWithin } from "../../destination.ts";
import type { RepositoryContext } from "./context.ts";

/** Refuses to back a database up into its own directory: whatever happened to that would happen to its backups. */
export function assertApart(call: string, context: RepositoryContext, { fs, path }: Engine): void {
  const { directory } = context;
  if (directory === undefined || !isWithin(fs.resolve(directory), fs.resolve(path))) return;
  throw new TypeError(`${call}: ${context.name} is the database's own directory or inside it; choose another`);
}
