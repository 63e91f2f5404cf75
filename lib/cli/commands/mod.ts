/**
 * The table of commands.
 *
 * @module
 */
import type { CommandSpec } from "../core/command.ts";
import { get, remove, set } from "./entries.ts";
import { count, list } from "./listing.ts";

/** All commands. Their order is that of the help. */
export const COMMANDS: readonly CommandSpec[] = [get, set, remove, list, count];
