/**
 * The table of commands.
 *
 * @module
 */
import { HELP } from "../core/arguments.ts";
import type { CommandSpec } from "../core/command.ts";
import { backup, restore } from "./backup.ts";
import { backups, estimate, history, pin, points, unpin } from "./backups.ts";
import { drill, health, verify } from "./check.ts";
import { completions } from "./completions.ts";
import { get, remove, set } from "./entries.ts";
import { exporting } from "./export.ts";
import { importing } from "./import.ts";
import { demo, init } from "./init.ts";
import { keys } from "./keys.ts";
import { count, list } from "./listing.ts";
import { copy, prune } from "./prune.ts";
import { repair } from "./repair.ts";
import { replicate, scheduling } from "./services.ts";
import { compact, slots, stats } from "./stats.ts";
import { watch } from "./watch.ts";

const OTHERS: readonly CommandSpec[] = [
  ...[get, set, remove, list, count, importing, exporting],
  ...[backup, restore, backups, points, estimate, pin, unpin],
  ...[verify, drill, health, prune, copy, history, keys],
  ...[watch, replicate, scheduling],
  ...[init, stats, compact, repair, slots],
  demo,
  HELP,
];

/** All commands. Their order is that of the help. */
export const COMMANDS: readonly CommandSpec[] = [...OTHERS, completions(OTHERS)];
