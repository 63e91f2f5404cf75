/**
 * Command lines, read and explained by commander, from the table of commands.
 *
 * @module
 */
import { Command, CommanderError, Option } from "commander";
import { argumentForm, type Call, type CommandSpec, GROUPS, type NamedCommand, usageOf } from "./command.ts";
import { COMMON_HEADING, COMMON_OPTIONS, type OptionSpec } from "./option_spec.ts";
import { UsageError } from "./exit_code.ts";
import { Given } from "./given.ts";
import { FORMS, parseValue } from "./parse_value.ts";
import { PROGRAM_NAME } from "../version.ts";

/** What was asked for: a command with its words and options; or something that is only printed. */
export type Wish =
  | { kind: "run"; spec: CommandSpec; name: string; words: Call["words"]; given: Given }
  | { kind: "print"; text: string };

/** How help is printed. */
export interface HelpStyle {
  /** Wraps lines at so many characters. */
  readonly columns: number;
  /** Colours headings and names. */
  paint(style: "title" | "name" | "faint", text: string): string;
}

/** What every program says of itself. */
export interface ProgramInfo {
  /** As it is typed. */
  readonly name: string;
  /** In one line. */
  readonly summary: string;
  /** Its version. */
  readonly version: string;
  /** What is told below the list of commands. */
  readonly epilogue: string;
}

/** `help`, as it stands among the commands; it is read as `--help` behind what it is asked about. */
export const HELP: CommandSpec = {
  name: "help",
  summary: "Explain a command, or list them all",
  group: "Help",
  args: [{
    name: "COMMAND",
    help: "the command, of two words where it has two",
    kind: "command",
    optional: true,
    many: true,
  }],
  options: [],
  examples: [
    { line: "help", does: "list the commands" },
    { line: "help keys add", does: "explain one, as keys add --help does" },
  ],
};

/** Reads a command line. Whatever is wrong with it is a `UsageError`. */
export async function readArguments(
  program: ProgramInfo,
  commands: readonly CommandSpec[],
  argv: readonly string[],
  style: HelpStyle,
  now: number,
): Promise<Wish> {
  // Help is what commander knows about each command.
  const isHelp = argv[0] === HELP.name && !argv.includes("--help") && !argv.includes("-h");
  if (isHelp) {
    const about = argv.slice(1).filter((word) => !word.startsWith("-"));
    if (about.length > 0 && named(commands, about)?.name !== about.join(" ")) {
      throw new UsageError(`there is no command ${about.join(" ")}\n  ${PROGRAM_NAME} help lists the commands`);
    }
    argv = [...argv.slice(1), "--help"];
  }
  let wish: Wish | undefined;
  let printed = "";
  const parsing = { style, now, print: (text: string) => printed += text, found: (found: Wish) => wish = found };
  const root = prepare(new Command(program.name), parsing).description(program.summary);
  root.version(program.version, "-V, --version", "print the version");
  root.addHelpText("after", `\n${program.epilogue}`);
  for (const group of GROUPS) {
    for (const spec of commands) if (spec.group === group) add(root, program.name, "", spec, parsing);
  }
  try {
    if (argv.length === 0) return { kind: "print", text: root.helpInformation() + `\n${program.epilogue}\n` };
    await root.parseAsync([...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "print", text: printed };
    // A family without one of its commands: commander has printed its help.
    if (error.code === "commander.help") throw new UsageError(`which one?\n\n${printed.trimEnd()}`);
    const said = error.message.replace(/^error: /, "").replace(/\n\(Did you mean (.*)\?\)$/, "; did you mean $1?");
    throw new UsageError(said + wayOn(error.code, commands, argv));
  }
  return wish!;
}

/** What tells how the command is meant, behind what is wrong with its line. */
function wayOn(code: string, commands: readonly CommandSpec[], argv: readonly string[]): string {
  const found = named(commands, argv);
  if (found === undefined) return `\n  ${PROGRAM_NAME} help lists the commands`;
  const { name, spec } = found;
  const isWord = code === "commander.missingArgument" || code === "commander.excessArguments";
  const usage = isWord ? `\n  usage: ${usageOf(name, spec)}` : "";
  return `${usage}\n  ${PROGRAM_NAME} help ${name} explains it`;
}

/** The command, or the family, that a command line begins with. */
function named(commands: readonly CommandSpec[], argv: readonly string[], before = ""): NamedCommand | undefined {
  const [word, ...rest] = argv;
  const spec = commands.find(({ name }) => name === word);
  if (spec === undefined) return undefined;
  const name = before + spec.name;
  return named(spec.commands ?? [], rest, `${name} `) ?? { name, spec };
}

interface Parsing {
  style: HelpStyle;
  now: number;
  print(text: string): void;
  found(wish: Wish): void;
}

/** What holds for every command: nothing is written, nothing ends the process, help looks the same everywhere. */
function prepare(command: Command, { style, print }: Parsing): Command {
  const { columns, paint } = style;
  return command.exitOverride()
    .addHelpOption(new Option("-h, --help", "explain this command").helpGroup(`${COMMON_HEADING}:`))
    .helpCommand(false)
    .showSuggestionAfterError(true)
    .allowExcessArguments(false)
    .configureOutput({
      writeOut: print,
      writeErr: print,
      outputError: () => {},
      getOutHelpWidth: () => columns,
      getErrHelpWidth: () => columns,
      getOutHasColors: () => true,
      getErrHasColors: () => true,
      stripColor: (text) => text,
    })
    .configureHelp({
      // Also beside the longest option there is room for some words of what it does.
      minWidthToWrap: 20,
      styleTitle: (text) => paint("title", text),
      styleCommandText: (text) => paint("name", text),
      styleSubcommandText: (text) => paint("name", text),
      styleOptionText: (text) => paint("faint", text),
      styleArgumentText: (text) => paint("faint", text),
      styleOptionTerm: (text) => paint("name", text),
      styleSubcommandTerm: (text) => paint("name", text),
      styleArgumentTerm: (text) => paint("name", text),
      // One table shows more at a glance when it says of each command what it is called and not all that it takes.
      subcommandTerm: (each) => each.name(),
    });
}

function add(parent: Command, program: string, before: string, spec: CommandSpec, parsing: Parsing): void {
  const command = prepare(new Command(spec.name), parsing).summary(spec.summary).helpGroup(
    before === "" ? `${spec.group}:` : "Commands:",
  );
  parent.addCommand(command);
  command.description(`${spec.summary}.${spec.details === undefined ? "" : `\n\n${spec.details}`}`);
  const name = before + spec.name;
  if (spec.commands !== undefined) {
    for (const each of spec.commands) add(command, program, `${name} `, each, parsing);
    return;
  }
  for (const each of spec.args) command.argument(argumentForm(each), each.help);
  const options = [...spec.options, ...COMMON_OPTIONS];
  for (const option of options) command.addOption(optionOf(option, parsing.now));
  command.addHelpText("after", examplesOf(program, spec, parsing.style));
  command.action((...all: unknown[]) => {
    const values = command.opts();
    const byName = Object.fromEntries(
      options.map((option) => [option.name, valueIn(option, values)]),
    );
    // Commander hands over the words, then the options, then the command.
    const words = all.slice(0, -2).flat() as (string | undefined)[];
    parsing.found({ kind: "run", spec, name, words, given: new Given(options, byName) });
  });
}

function optionOf(spec: OptionSpec, now: number): Option {
  const short = spec.short === undefined ? "" : `-${spec.short}, `;
  const heading = `${spec.heading ?? "Options"}:`;
  if (spec.kind === "flag") return new Option(`${short}--${spec.name}`, spec.help).helpGroup(heading);
  const many = spec.many ? "; may be given several times" : "";
  const choices = spec.choices === undefined ? "" : ` (${spec.choices.join(", ")})`;
  const option = new Option(
    `${short}--${spec.name} <${spec.value ?? FORMS[spec.kind].value}>`,
    spec.help + choices + many,
  );
  return option.helpGroup(heading).argParser((text: string, before: unknown) => {
    const value = parseValue(spec, text, now);
    return spec.many ? [...(before as unknown[] | undefined) ?? [], value] : value;
  });
}

/** Commander names options in camel case, and takes "no-" for the negation of what comes behind it. */
function valueIn(spec: OptionSpec, values: Record<string, unknown>): unknown {
  const negated = spec.kind === "flag" && spec.name.startsWith("no-");
  const plain = negated ? spec.name.slice(3) : spec.name;
  const value = values[plain.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())];
  return negated ? value === false : value;
}

function examplesOf(program: string, spec: CommandSpec, { paint }: HelpStyle): string {
  const lines = spec.examples.map(({ line, does }) =>
    `  ${paint("faint", `# ${does}`)}\n  ${paint("name", `${program} ${line}`)}`
  );
  return `\n${paint("title", spec.examples.length === 1 ? "Example:" : "Examples:")}\n${lines.join("\n")}`;
}
