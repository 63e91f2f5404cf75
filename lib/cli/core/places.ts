/**
 * What lies at the places that the words of a command line name, and what is said when a database and a repository were
 * taken for each other.
 *
 * @module
 */
import { PART, REPOSITORY_KEY } from "../../backup/repository/core/layout.ts";
import { DB } from "../../db/db.ts";
import { join } from "../../files/paths.ts";
import type { CliIo } from "../io.ts";
import { PROGRAM_NAME } from "../version.ts";
import { type Call, usageOf } from "./command.ts";
import { UsageError } from "./exit_code.ts";
import { isAddress } from "./store.ts";

/** What can be told apart. */
export type Kind = "a database" | "a repository" | "a file" | undefined;

/** Whether a place is an address, or a directory with a repository in it: also one that has lost what says so. */
export async function isRepository({ fileSystem }: CliIo, place: string): Promise<boolean> {
  if (isAddress(place) || await fileSystem.stat(join(place, REPOSITORY_KEY)) !== undefined) return true;
  if (await DB.exists(place, { fileSystem })) return false;
  for (const part of [PART.backups, PART.objects]) {
    if ((await fileSystem.stat(join(place, part.slice(0, -1))))?.kind !== "directory") return false;
  }
  return true;
}

/** What lies at a place, where that can be told. */
export async function kindAt(io: CliIo, place: string): Promise<Kind> {
  if (await isRepository(io, place)) return "a repository";
  if (await DB.exists(place, { fileSystem: io.fileSystem })) return "a database";
  return (await io.fileSystem.stat(place))?.kind === "file" ? "a file" : undefined;
}

/** Refuses a place that is not what the command takes there. What is not there yet, or too little of it, is let pass. */
export async function expectKind(call: Call, place: string, wanted: "a database" | "a repository"): Promise<void> {
  const found = await kindAt(call.io, place);
  if (found === undefined || found === wanted) return;
  const { spec, words, name } = call;
  // Both words may be the same place, which is right for one of them.
  const fits = [...words.keys()].filter((at) => words[at] === place);
  const taking = (kind: typeof wanted | undefined): number | undefined =>
    fits.find((at) => spec.args[at]?.takes === kind);
  const at = taking(wanted) ?? taking(undefined) ?? words.indexOf(place);
  const role = spec.args[at]?.name ?? "that";
  const what = isAddress(place) ? "the address of a repository" : found;
  const kinds = role === "PLACE" && found === "a file" ? "a database or a repository" : wanted;
  const lines = [`${shown(place)} is ${what}, and ${role} has to be ${kinds}`, `  usage: ${usageOf(name, spec)}`];
  // With two words: whether they make sense the other way round.
  const [other, takes] = [words[1 - at], spec.args[1 - at]?.takes];
  if (other !== undefined && takes !== wanted && await kindAt(call.io, other) === wanted) {
    lines.push(
      `  did you mean: ${
        [PROGRAM_NAME, name, ...[...words].reverse().map((word) => shellWord(shown(word!)))].join(" ")
      }`,
    );
  }
  throw new UsageError(lines.join("\n"));
}

/** Refuses a pipe as what is read at length: that is what standard input is for. */
export async function refusePipe({ fileSystem }: CliIo, place: string): Promise<void> {
  if (isAddress(place) || (await fileSystem.stat(place))?.kind !== "other") return;
  throw new UsageError(`${place} is no plain file; give - instead, and let it come in on standard input`);
}

/** A place as a message shows it: what stands before an address's host, or behind its question mark, may be a secret. */
export function shown(place: string): string {
  return isAddress(place) ? place.replace(/\/\/[^/?]*@/, "//...@").replace(/\?[^]*$/, "?...") : place;
}

/** A word as a shell takes it. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./~-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
