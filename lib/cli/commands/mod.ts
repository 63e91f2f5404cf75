/**
 * The table of commands.
 *
 * @module
 */
import type { CommandSpec } from "../core/command.ts";
import { backup, restore } from "./backup.ts";
import { backups, estimate, history, pin, points, unpin } from "./backups.ts";
import { drill, health, verify } from "./check.ts";
import { get, remove, set } from "./entries.ts";
import { count, list } from "./listing.ts";

/** All commands. Their order is that of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  ...[get, set, remove, list, count],
  ...[backup, restore, backups, points, estimate, pin, unpin],
  ...[verify, drill, health, history],
];
