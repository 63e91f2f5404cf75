/**
 * Messages of the library in the words of the shell. The library speaks to who calls it: of `list()`, of option
 * `"maxBytes"`, of `DB.repair`. Whoever sits at a shell is told what to type there: `holdfast backups ./backups`,
 * `--max-store`, `holdfast repair ./data`. A test reads all messages of the library, and finds one that is new here.
 *
 * @module
 */
import { PROGRAM_NAME } from "../version.ts";
import type { Call } from "./command.ts";
import type { ArgumentSpec } from "./option_spec.ts";
import { shellWord } from "./places.ts";
import { SECRETS } from "./store.ts";

/** What is known of the command line that a message came from. */
export type Context = Pick<Call, "spec" | "words">;

/** Options of the library that are called something else here; the others by their names, with dashes. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  backupId: ["backup"],
  backups: ["backup"],
  encryption: ["passphrase-file"],
  labels: ["label"],
  maxBytes: ["max-store", "max-bytes"],
  replayLog: ["no-replay-log"],
  verify: ["no-verify"],
};

type Rule = readonly [pattern: RegExp, words: (context: Context, ...groups: string[]) => string];

const RULES: readonly Rule[] = [
  // The call that refuses an argument: "db.backup: option ...".
  [/^(?:[A-Za-z]+\.)?[a-z]\w*: /, () => ""],
  // Remedies that are calls.
  [/\bsee list\(\)/, (context) => `see ${line("backups", repository(context))}`],
  [/\bsee recoveryPoints\(\)/, (context) => `see ${line("points", repository(context))}`],
  [/\bsee keys\(\)/, (context) => `see ${line("keys list", repository(context))}`],
  [/\bdb\.dropSlot\("([^"]*)"\)/, (context, id) => line("slots", `${database(context)} --drop ${id}`)],
  [/\bdrop the slot\b/, (context) => `drop the slot (${line("slots", database(context))})`],
  [/\brun DB\.repair\b/, (context) => `run ${line("repair", place(context))}`],
  [/\brun verify\(\) and repair the database/, (context) => `run ${line("repair", database(context))}`],
  [/\bwith verify\(\)/, (context) => `with ${line("verify", place(context))}`],
  [/\buse copyTo\b/, () => `use ${PROGRAM_NAME} copy`],
  [/, or open with archive\.onFull "gap"/, () => ""],
  [/\barchive\.maxBytes\b/, () => "its limit"],
  [/, or keep more with history\.maxBytes/, () => ""],
  // Remedies that are options.
  [
    /\bclose it or open with readOnly\b/,
    ({ spec }) => has(spec, "beside") ? "close it, or give --beside, which backs up beside it" : "close it first",
  ],
  [/ or open with readOnly\b/, () => ""],
  [/, or open with readOnly\b/, () => ""],
  [/, or open it with readOnly\b/, ({ spec }) => has(spec, "read-only") ? ", or give --read-only" : ""],
  [/\bit (?:was|is) opened (?:with readOnly|read-only)/, () => "it is only read here"],
  [/; open it without option "readOnly"/, () => ""],
  [
    /; pass overwrite: true to replace it/,
    ({ spec }) => has(spec, "overwrite") ? "; --overwrite replaces it" : "; choose another",
  ],
  [
    /there is no database(?= \()/,
    ({ spec }) =>
      spec.args.some(({ name }) => name === "PLACE")
        ? "there is neither a database nor a repository"
        : `there is no database${has(spec, "create") ? "; --create makes it" : ""}`,
  ],
  [
    /; pass allowEarlier: true to take that/,
    ({ spec }) => has(spec, "allow-earlier") ? "; --allow-earlier takes that" : "",
  ],
  [/, or pass allowEarlier: true/, ({ spec }) => has(spec, "allow-earlier") ? ", or give --allow-earlier" : ""],
  // Of migrations, which speak to both.
  [/\((?:unsupported: "report"|again), or (--[a-z-]+) on the command line\)/, (_, option) => `(${option})`],
  [/\buse keys: "([a-z]+)"/, (_, form) => `give --keys ${form}`],
  [/; use the codec of structured\(\)/, ({ spec }) => has(spec, "structured") ? "; --structured keeps it" : ""],
  [/\bpass encryption: \{ passphrase \} or \{ key \}/, () => "give its passphrase or key"],
  [/\bgive (?:its|the repository's) encryption option/, () => "give its passphrase or key"],
  [/leave option "encryption" out/, () => "give neither passphrase nor key"],
  [
    /\bneed keyEncoding "([^"]*)"/,
    ({ spec }, kind) =>
      `need ${has(spec, "key-encoding") ? `--key-encoding ${kind}` : `a database whose keys are ${kind}`}`,
  ],
  [/\bwith keyEncoding "([^"]*)"/, (_, kind) => `whose keys are ${kind}`],
  [
    /\bhas keyEncoding "([^"]*)"(?:, not "([^"]*)")?/,
    (_, kind, other) => `has keys that are ${kind}${other ? ` and not ${other}` : ""}`,
  ],
  [/\bpass option "credentials", or set GOOGLE/, () => "set GCS_ACCESS_ID and GCS_SECRET, or GOOGLE"],
  [/\bpass option "credentials", or set\b/, () => "set"],
  [/\bgive option "accountKey" or "sasToken"/, () => `set ${SECRETS["accountKey"]} or ${SECRETS["sasToken"]}`],
  [/, or give option "credential"/, () => ""],
  [/\bpass current keys, or a provider that renews them/, () => "give it current keys"],
  [/\bleave option "accountKey" out\b/, () => `unset ${SECRETS["accountKey"]}`],
  [/\blower "blockBytes" or "concurrency"/, () => "lower --store blockBytes=... or --store concurrency=..."],
  [/\bis later than "to"/, () => "is later than --to"],
  [/\(prefix, namespace, filter\)/, () => "(--prefix, --namespace)"],
  // All other options, by their names.
  [/\boptions? "([A-Za-z]\w*)"/, ({ spec }, name) => optionFor(spec, name) ?? storeOption(spec, name)],
  [/\b(keep[A-Z][a-z]+|maxBackups|maxBytes)\b/, ({ spec }, name) => optionFor(spec, name) ?? name],
];

/** The rules, for each place in a message where they fit. */
const EVERYWHERE = RULES.map(([pattern, words]) => [new RegExp(pattern, "g"), words] as const);

/** A message of the library, for who reads it at a shell. */
export function inShellWords(message: string, context: Context): string {
  return EVERYWHERE.reduce(
    (text, [pattern, words]) =>
      text.replace(pattern, (_, ...groups) => words(context, ...groups.slice(0, -2) as string[])),
    message,
  );
}

function has({ options }: Call["spec"], name: string): boolean {
  return options.some((option) => option.name === name);
}

/** `"bytesPerSecond"` -> `"--bytes-per-second"`; undefined where the command has no such option. */
function optionFor(spec: Call["spec"], name: string): string | undefined {
  const names = [...OPTIONS[name] ?? [], name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)];
  const own = names.find((each) => has(spec, each));
  return own === undefined ? undefined : `--${own}`;
}

/** What is no option of the command is one of its store; what is a secret comes from elsewhere. */
function storeOption(spec: Call["spec"], name: string): string {
  if (!has(spec, "store")) return `option "${name}"`;
  return Object.hasOwn(SECRETS, name) ? SECRETS[name]! : `--store ${name}=...`;
}

function line(command: string, rest: string): string {
  return `${PROGRAM_NAME} ${command} ${rest}`;
}

/** The word that names the repository, as it was given. */
function repository(context: Context): string {
  return wordOf(
    context,
    ({ name, takes }) => takes === "a repository" || (takes === undefined && ["FROM", "TO", "PLACE"].includes(name)),
    "REPO",
  );
}

/** The word that names the database. */
function database(context: Context): string {
  return wordOf(context, ({ name, takes }) => takes === "a database" || name === "DB" || name === "PLACE", "DB");
}

/** The word that names what is looked at: the database, where there is one. */
function place(context: Context): string {
  return wordOf(context, ({ name, takes }) => takes !== undefined || name === "DB" || name === "PLACE", "PLACE");
}

function wordOf({ spec, words }: Context, fits: (word: ArgumentSpec) => boolean, otherwise: string): string {
  const word = words[spec.args.findIndex(fits)];
  return word === undefined ? otherwise : shellWord(word);
}
