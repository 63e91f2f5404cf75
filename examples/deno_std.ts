/**
 * Together with Deno's standard library: `@std/path` for paths, `@std/fs` for directories, `@std/streams` for streams.
 *
 * Deno only, and the only file here that imports from JSR. The library itself needs none of it: paths are strings or
 * file URLs, streams are Web Streams, so both sides fit together without an adapter.
 *
 *     deno run --allow-read --allow-write examples/deno_std.ts
 *
 * @module
 */
// deno-lint-ignore-file no-import-prefix
import { emptyDir, walk } from "jsr:@std/fs@^1.0.0";
import { fromFileUrl, join, toFileUrl } from "jsr:@std/path@^1.0.0";
import { TextLineStream, toBytes } from "jsr:@std/streams@^1.0.0";
import { DB } from "@holdfast/db";
import { fact, promise, scratch, size, step, title } from "./show.ts";

title("With Deno's standard library");
await using home = await scratch("deno-std");

step("@std/path: a path or a file URL, both open the same database");
const path = join(home.path, "data");
const url = toFileUrl(path);
{
  await using db = await DB.open(url);
  await db.setMany(Array.from({ length: 1000 }, (_, i) => [`line/${String(i).padStart(4, "0")}`, `This is line ${i}`]));
}
await using db = await DB.open(path);
fact("opened by URL", url.href.replace(toFileUrl(home.path).href, "file://..."));
promise(fromFileUrl(url) === path && await db.count() === 1000, "and by path: 1000 entries");

step("@std/fs: prepare a directory, export into it, walk through it");
const exports = join(home.path, "exports");
await emptyDir(exports);
await db.export(join(exports, "copy"));
for await (const file of walk(exports, { includeDirs: false })) {
  fact(file.name, size((await Deno.stat(file.path)).size));
}

step("@std/streams: the export as lines, transformed on the fly");
const lines = db.exportStream({ format: "jsonl" }).pipeThrough(new TextDecoderStream()).pipeThrough(
  new TextLineStream(),
);
let found = 0;
for await (const line of lines) if (line.includes("This is line")) found++;
fact("lines with an entry", found);
promise(found === 1000, "every entry is one line");

step("@std/streams: a whole tar file in memory, and back");
const bytes = await toBytes(db.exportStream({ format: "tar" }));
fact("tar file", size(bytes.length));
await DB.restore(ReadableStream.from([bytes]), join(home.path, "restored"));
await using restored = await DB.open(join(home.path, "restored"));
promise(await restored.count() === 1000, "1000 entries came back");
