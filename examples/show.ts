/**
 * What the examples share: a directory that goes away again, and a few ways of printing.
 *
 * Nothing in here has to do with the database; read the example beside it instead.
 *
 * @module
 */
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { styleText } from "node:util";

/** A directory for one run; disposing of it removes it with all that is inside. */
export interface Scratch extends AsyncDisposable {
  /** Where it is. */
  readonly path: string;
}

/** Makes a fresh directory, with a name that nothing has yet, under the system's temporary one or the given one. */
export async function scratch(name: string, parent: string = tmpdir()): Promise<Scratch> {
  await mkdir(parent, { recursive: true });
  const path = await mkdtemp(join(parent, `holdfast-${name}-`));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Prints the headline of an example. */
export function title(text: string, subtitle = ""): void {
  console.log(`\n${styleText("bold", text)}${subtitle === "" ? "" : `\n${styleText("dim", subtitle)}`}`);
}

/** Prints the name of the step that follows. */
export function step(text: string): void {
  console.log(`\n${styleText("cyan", "▸")} ${text}`);
}

/** Prints one thing that was seen, under its step. */
export function fact(label: string, value: string | number): void {
  console.log(`  ${styleText("dim", label.padEnd(26))} ${value}`);
}

/** Prints that something was as promised; throws when it wasn't, so that the example fails. */
export function promise(kept: boolean, text: string): void {
  if (!kept) throw new Error(`Not as promised: ${text}`);
  console.log(`  ${styleText("green", "✓")} ${text}`);
}

/** `171075` -> `171,075` */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** `17142887` -> `17.1 MB` */
export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const power = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(1)} ${["B", "kB", "MB", "GB"][power]}`;
}

/** `1234.5` -> `1.23 s`, `12.3` -> `12.3 ms` */
export function time(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`;
}

/** How many in one second, when `items` took `ms`. */
export function rate(items: number, ms: number, unit: string): string {
  return `${count(items / Math.max(ms, 0.001) * 1000)} ${unit}/s`;
}

/** Runs `work` and tells how long it took. */
export async function timed<T>(work: () => T | Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now();
  const result = await work();
  return { result, ms: performance.now() - start };
}

/** The bytes of a file, or of all files below a directory. */
export async function sizeOnDisk(path: string): Promise<number> {
  const info = await stat(path);
  if (!info.isDirectory()) return info.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => sizeOnDisk(join(path, name))));
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}
