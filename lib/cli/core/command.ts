/**
 * What a command is: a row of the table that parsing, help, documentation and completion scripts are made from.
 *
 * @module
 */
import type { Output } from "../output/output.ts";
import type { CliIo } from "../io.ts";
import type { Given } from "./given.ts";
import { PROGRAM_NAME } from "../version.ts";
import type { ArgumentSpec, OptionSpec } from "./option_spec.ts";

/** A command line to try, and what it does. */
export interface Example {
  /** Without the program's name. */
  readonly line: string;
  /** In one line. */
  readonly does: string;
}

/** Headings of the list of commands, in this order. */
export const GROUPS = ["Entries", "Backups", "Care of backups", "Services", "Databases", "Help"] as const;

/** One run of a command. */
export interface Call {
  /** The words, in the order of the command's arguments; undefined where one was left out. */
  readonly words: readonly (string | undefined)[];
  /** The options. */
  readonly given: Given;
  /** The surroundings. */
  readonly io: CliIo;
  /** Where results go. */
  readonly out: Output;
  /** Which command this is, with the one it belongs to: `"keys add"`. */
  readonly name: string;
  /** What the table of commands has about it. */
  readonly spec: CommandSpec;
}

/** A command, or a family of them. */
export interface CommandSpec {
  /** As it is typed. */
  readonly name: string;
  /** In one line, without a full stop. */
  readonly summary: string;
  /** More about it, for its own help. */
  readonly details?: string;
  /** Where the list of commands has it. */
  readonly group: (typeof GROUPS)[number];
  /** What it is told. */
  readonly args: readonly ArgumentSpec[];
  /** How. Those that every command has are left out: see `COMMON_OPTIONS`. */
  readonly options: readonly OptionSpec[];
  /** At least one, for a command that does something. */
  readonly examples: readonly Example[];
  /** Does it; resolves to an exit code, 0 unless given. Left out by a family. */
  readonly run?: (call: Call) => Promise<number | void>;
  /** The commands of a family. */
  readonly commands?: readonly CommandSpec[];
}

/** A command with the family it belongs to. */
export interface NamedCommand {
  /** `"keys add"`. */
  readonly name: string;
  /** The command. */
  readonly spec: CommandSpec;
}

/** All that can be run, families taken apart. */
export function runnable(commands: readonly CommandSpec[], before = ""): NamedCommand[] {
  return commands.flatMap((spec) => {
    const name = before + spec.name;
    return spec.commands === undefined ? [{ name, spec }] : runnable(spec.commands, `${name} `);
  });
}

/** `"holdfast set [options] <DB> <KEY> <VALUE>"` */
export function usageOf(name: string, { args }: CommandSpec): string {
  return [PROGRAM_NAME, name, "[options]", ...args.map(argumentForm)].join(" ");
}

/** `<KEY>`, `[ID]` where it may be left out, with dots where there may be several. */
export function argumentForm({ name, optional, many }: ArgumentSpec): string {
  const dots = many ? "..." : "";
  return optional ? `[${name}${dots}]` : `<${name}${dots}>`;
}
