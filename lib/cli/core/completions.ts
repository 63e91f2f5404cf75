/**
 * Completion scripts for shells, made from the table of commands: what the one knows, the others know.
 *
 * @module
 */
import { type CommandSpec, type NamedCommand, runnable } from "./command.ts";
import { type ArgumentSpec, COMMON_OPTIONS, type OptionSpec } from "./option_spec.ts";

/** The shells there are scripts for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
/** One of them. */
export type Shell = (typeof SHELLS)[number];

const HELP: OptionSpec = { name: "help", short: "h", kind: "flag", help: "explain this command" };

/** The script for a shell. */
export function completionScript(shell: Shell, program: string, commands: readonly CommandSpec[]): string {
  const lines = { bash, zsh, fish }[shell](program, commands);
  return `${lines.join("\n")}\n`;
}

/** All that may follow a command, as one types it. */
function optionsOf({ spec }: NamedCommand): OptionSpec[] {
  return [...spec.options, ...COMMON_OPTIONS, HELP];
}

function families(commands: readonly CommandSpec[]): CommandSpec[] {
  return commands.filter((spec) => spec.commands !== undefined);
}

function bash(program: string, commands: readonly CommandSpec[]): string[] {
  const name = `_${program}`;
  const familyNames = families(commands).map((spec) => spec.name);
  return [
    `# Completion for bash: source this file, or put it where bash-completion looks.`,
    `# A name of a file may hold spaces and stars: each line is one, as it stands.`,
    `${name}_files() {`,
    `  local path`,
    `  COMPREPLY=()`,
    `  while IFS= read -r path; do COMPREPLY+=("$path"); done < <(compgen -f -- "$1")`,
    `}`,
    `${name}() {`,
    `  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="" words=""`,
    `  COMPREPLY=()`,
    `  if ((COMP_CWORD > 1)); then command="\${COMP_WORDS[1]}"; fi`,
    ...familyNames.length === 0 ? [] : [
      `  case "$command" in`,
      `    ${familyNames.join("|")}) if ((COMP_CWORD > 2)); then command+=" \${COMP_WORDS[2]}"; fi ;;`,
      `  esac`,
    ],
    `  case "$command" in`,
    `    "") words="${[...commands.map((spec) => spec.name), "--help", "--version"].join(" ")}" ;;`,
    ...families(commands).map((spec) => `    ${quoted(spec.name)}) words="${namesIn(spec)} --help" ;;`),
    ...runnable(commands).flatMap((command) => bashCommand(name, command, commands)),
    `  esac`,
    `  # Options only where one is begun; everywhere else a path may stand.`,
    `  if [[ "$current" == -* || "$command" == "" || " ${familyNames.join(" ")} " == *" $command "* ]]; then`,
    `    COMPREPLY=($(compgen -W "$words" -- "$current"))`,
    `  else`,
    `    ${name}_files "$current"`,
    `  fi`,
    `}`,
    `complete -o filenames -F ${name} ${program}`,
  ];
}

function bashCommand(name: string, command: NamedCommand, commands: readonly CommandSpec[]): string[] {
  const options = optionsOf(command);
  const valued = options.filter(({ kind }) => kind !== "flag");
  const words = options.map((each) => `--${each.name}`);
  const choices = choicesOf(command.spec.args[0], commands);
  return [
    `    ${quoted(command.name)})`,
    `      case "$before" in`,
    ...valued.map((option) => {
      const names = [`--${option.name}`, ...(option.short === undefined ? [] : [`-${option.short}`])].join("|");
      const reply = option.kind === "path"
        ? `${name}_files "$current"`
        : `COMPREPLY=($(compgen -W "${(option.choices ?? []).join(" ")}" -- "$current"))`;
      return `        ${names}) ${reply}; return ;;`;
    }),
    ...(isCommand(command.spec.args[0]) ? families(commands) : []).map((family) =>
      `        ${family.name}) COMPREPLY=($(compgen -W "${namesIn(family)}" -- "$current")); return ;;`
    ),
    `      esac`,
    `      words="${words.join(" ")}"`,
    ...(choices.length === 0 ? [] : [
      `      if [[ "$current" != -* ]]; then COMPREPLY=($(compgen -W "${
        choices.join(" ")
      }" -- "$current")); return; fi`,
    ]),
    `      ;;`,
  ];
}

/** Whether a word is a command, and the one behind it one of its family. */
function isCommand(word: ArgumentSpec | undefined): boolean {
  return word?.kind === "command";
}

function namesIn(family: CommandSpec): string {
  return family.commands!.map(({ name }) => name).join(" ");
}

/** What a word may be, where that can be listed. */
function choicesOf(word: ArgumentSpec | undefined, commands: readonly CommandSpec[]): readonly string[] {
  return isCommand(word) ? commands.map(({ name }) => name) : word?.choices ?? [];
}

function zsh(program: string, commands: readonly CommandSpec[]): string[] {
  return [
    `#compdef ${program}`,
    `# Completion for zsh: put this file as _${program} into a directory of $fpath.`,
    `_${program}() {`,
    `  local context state line`,
    `  typeset -A opt_args`,
    `  _arguments -C '(- *)'{-h,--help}'[explain]' '(- *)'{-V,--version}'[print the version]' '1: :->command' '*:: :->rest'`,
    `  case $state in`,
    `    command)`,
    `      local -a commands`,
    `      commands=(`,
    ...commands.map((spec) => `        ${quoted(`${spec.name}:${spec.summary.replaceAll(":", "\\:")}`)}`),
    `      )`,
    `      _describe command commands`,
    `      ;;`,
    `    rest)`,
    `      case $words[1] in`,
    ...commands.flatMap((spec) =>
      spec.commands === undefined ? zshCommand(spec, "        ", commands) : zshFamily(spec, commands)
    ),
    `      esac`,
    `      ;;`,
    `  esac`,
    `}`,
    `if [ "$funcstack[1]" = "_${program}" ]; then _${program} "$@"; else compdef _${program} ${program}; fi`,
  ];
}

function zshFamily(family: CommandSpec, commands: readonly CommandSpec[]): string[] {
  const described = family.commands!.map((spec) => quoted(`${spec.name}:${spec.summary.replaceAll(":", "\\:")}`));
  return [
    `        ${family.name})`,
    `          if ((CURRENT == 2)); then`,
    `            local -a commands`,
    `            commands=(${described.join(" ")})`,
    `            _describe command commands`,
    `          else`,
    `            shift words`,
    `            ((CURRENT--))`,
    `            case $words[1] in`,
    ...family.commands!.flatMap((spec) => zshCommand(spec, "              ", commands)),
    `            esac`,
    `          fi`,
    `          ;;`,
  ];
}

function zshCommand(spec: CommandSpec, indent: string, commands: readonly CommandSpec[]): string[] {
  const options = optionsOf({ name: spec.name, spec }).flatMap((option) => {
    const text = `[${option.help.replace(/[[\]\\]/g, "\\$&").replaceAll(":", "\\:")}]`;
    const names = [`--${option.name}`, ...(option.short === undefined ? [] : [`-${option.short}`])];
    const value = option.kind === "flag" ? "" : `: :${zshValues(option.kind, option.choices)}`;
    return names.map((name) => quoted(`${option.many ? "*" : ""}${name}${text}${value}`));
  });
  const words = spec.args.map((word, index) => {
    const choices = choicesOf(word, commands);
    const values = zshValues(word.kind, choices.length === 0 ? undefined : choices);
    return quoted(`${word.many ? "*" : index + 1}:${word.name}:${values}`);
  });
  const inFamilies = (isCommand(spec.args[0]) ? families(commands) : []).map((family) =>
    `${indent}  if [[ "$CURRENT $words[2]" == "3 ${family.name}" ]]; then compadd -- ${namesIn(family)}; return; fi`
  );
  return [
    `${indent}${spec.name})`,
    ...inFamilies,
    `${indent}  _arguments ${[...options, ...words].join(` \\\n${indent}    `)}`,
    `${indent}  ;;`,
  ];
}

function zshValues(kind: string, choices: readonly string[] | undefined): string {
  if (choices !== undefined) return `(${choices.join(" ")})`;
  return kind === "path" ? "_files" : " ";
}

function fish(program: string, commands: readonly CommandSpec[]): string[] {
  const [at, only] = [`__${program}_at`, `__${program}_only`];
  const complete = `complete -c ${program}`;
  return [
    `# Completion for fish: put this file as ${program}.fish into ~/.config/fish/completions.`,
    `# Whether these are the words so far: all of them, or with others behind them.`,
    `function ${only}`,
    `  set -l words (commandline -opc)`,
    `  test "$words[2..]" = "$argv"`,
    `end`,
    `function ${at}`,
    `  set -l words (commandline -opc)`,
    `  set -l last (math (count $argv) + 1)`,
    `  test (count $words) -ge $last; and test "$words[2..$last]" = "$argv"`,
    `end`,
    ...commands.map((spec) => `${complete} -n ${only} -f -a ${spec.name} -d ${fishQuoted(spec.summary)}`),
    `${complete} -n ${only} -s h -l help -d explain`,
    `${complete} -n ${only} -s V -l version -d ${fishQuoted("print the version")}`,
    ...families(commands).flatMap((family) =>
      family.commands!.map((spec) =>
        `${complete} -n ${fishQuoted(`${only} ${family.name}`)} -f -a ${spec.name} -d ${fishQuoted(spec.summary)}`
      )
    ),
    ...runnable(commands).flatMap((command) => {
      const when = `${complete} -n ${fishQuoted(`${at} ${command.name}`)}`;
      const [word] = command.spec.args;
      const choices = choicesOf(word, commands);
      const first = isCommand(word) ? `${complete} -n ${fishQuoted(`${only} ${command.name}`)}` : when;
      return [
        ...(choices.length === 0 ? [] : [`${first} -f -a ${fishQuoted(choices.join(" "))}`]),
        ...(isCommand(word) ? families(commands) : []).map((family) =>
          `${complete} -n ${fishQuoted(`${only} ${command.name} ${family.name}`)} -f -a ${fishQuoted(namesIn(family))}`
        ),
        ...optionsOf(command).map((option) => {
          const short = option.short === undefined ? "" : ` -s ${option.short}`;
          const value = option.kind === "flag"
            ? ""
            : option.choices !== undefined
            ? ` -x -a ${fishQuoted(option.choices.join(" "))}`
            : option.kind === "path"
            ? " -r -F"
            : " -x";
          return `${when}${short} -l ${option.name}${value} -d ${fishQuoted(option.help)}`;
        }),
      ];
    }),
  ];
}

/** For bash and zsh: nothing inside single quotes means anything. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
