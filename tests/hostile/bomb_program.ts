/** Restores bombs in a process of their own, and says of each what came of it and how much memory all took so far. */
import process from "node:process";
import { encodeText } from "../../lib/base/bytes.ts";
import { memoryFileSystem } from "../../lib/files/memory/memory_file_system.ts";
import { BackupRepository, DB, MemoryStore } from "../../mod.ts";
import { archiveOf, header } from "./archive.ts";
import { gzipMembers, jsonParts, type Part, zstdFrame, zstdHead } from "./bombs.ts";
import { logBomb, objectBomb } from "./repository_bombs.ts";

for (const each of process.argv.slice(2)) {
  const [name, mib] = each.split("=") as [string, string];
  // The peak is to be that of one of them: when the garbage of those before goes depends on what else the machine does.
  (globalThis as { Bun?: { gc(now: boolean): void } }).Bun?.gc(true);
  const started = performance.now();
  let outcome: unknown;
  try {
    outcome = await run(name, Number(mib));
  } catch (error) {
    const { name: kind, message } = error as Error;
    outcome = { error: kind, message };
  }
  console.log(
    JSON.stringify({ name, mib: Number(mib), outcome, ms: Math.round(performance.now() - started), rss: peak() }),
  );
}

function bombOf(name: string, mib: number): Uint8Array {
  const bytes = mib * 2 ** 20;
  const tarParts = (): Part[] => [
    header({ name: "._big", size: bytes }),
    { byte: 0, times: bytes },
    archiveOf(new Map([["LOCK", new Uint8Array(3)]])),
  ];
  const spaces = jsonParts('{"version":"1.0","records":[', " ", bytes, "x]}");
  const field = jsonParts('{"version":"1.0","unknown":"', "a", bytes, '","records":[]}');
  const record = jsonParts('{"version":"1.0","records":[{"key":"', "a", bytes, '","value":"v"}]}');
  const backslashes = jsonParts('{"version":"1.0","unknown":"', "\\", bytes, '","records":[]}');
  const nested = jsonParts('{"version":"1.0","unknown":', "[", bytes, "}");
  const digits = jsonParts('{"version":"1.0","total_records":', "9", bytes, ',"records":[]}');

  /** So many records of one MiB each: nothing is wrong with it. */
  function sound(): Part[] {
    const parts: Part[] = [encodeText('{"format":"holdfast-jsonl","version":"1.0"}\n')];
    for (let i = 0; i < mib; i++) {
      parts.push(...jsonParts(`{"key":"k${i}","value":"`, "v", 2 ** 20, '","encoding":"text"}\n'));
    }
    return [...parts, encodeText(`{"total_records":${mib}}\n`)];
  }

  const many = (frame: Uint8Array, count: number): Uint8Array => {
    const out = new Uint8Array(frame.length * count);
    for (let i = 0; i < count; i++) out.set(frame, i * frame.length);
    return out;
  };

  const bombs: Record<string, () => Uint8Array> = {
    "tar.gz": () => gzipMembers(tarParts()),
    "tar.zst": () => zstdFrame(tarParts()),
    "spaces.gz": () => gzipMembers(spaces),
    "spaces.zst": () => zstdFrame(spaces),
    "field.gz": () => gzipMembers(field),
    "field.zst": () => zstdFrame(field),
    "record.gz": () => gzipMembers(record),
    "record.zst": () => zstdFrame(record),
    "backslashes.zst": () => zstdFrame(backslashes),
    "nested.zst": () => zstdFrame(nested),
    "digits.zst": () => zstdFrame(digits),
    "sound.zst": () => zstdFrame(sound()),
    "sound.gz": () => gzipMembers(sound()),
    "frames.zst": () => many(zstdFrame([{ byte: 32, times: 200 * 2 ** 20 }]), Math.ceil(mib / 200)),
    "stated.zst": () => zstdFrame([{ byte: 32, times: bytes }], zstdHead(17, BigInt(bytes))),
    "window.zst": () => zstdFrame([{ byte: 32, times: bytes }], zstdHead(41)),
    "window30.zst": () => zstdFrame([{ byte: 32, times: bytes }], zstdHead(30)),
    "size.zst": () => zstdFrame([{ byte: 32, times: 1000 }], zstdHead(17, 2n ** 63n)),
    "twice.gz": () => gzipMembers([gzipMembers([{ byte: 32, times: bytes }])]),
  };

  return bombs[name]!();
}

async function run(name: string, mib: number): Promise<unknown> {
  const bytes = mib * 2 ** 20;
  const fileSystem = memoryFileSystem();
  if (name.startsWith("object") || name.startsWith("log")) {
    const store = new MemoryStore();
    const codec = name.endsWith("gz") ? "gzip" : "zstd";
    await (name.startsWith("object") ? objectBomb(store, bytes, codec) : logBomb(store, bytes));
    await using repo = await BackupRepository.open(store, { readOnly: true });
    const report = await repo.verify(undefined, { read: "all" });
    if (report.ok) return { verified: true };
    await using db = await DB.open(":memory:");
    await db.restore(repo);
    return { restored: true };
  }
  const packed = bombOf(name, mib);
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < packed.length; at += 65_536) yield packed.subarray(at, at + 65_536);
  }
  const info = await DB.restore(source(), "/new", { fileSystem, dryRun: true });
  return { entries: info.entries, packed: packed.length };
}

/** The most memory that this process held, MiB. */
function peak(): number {
  return Math.round(process.resourceUsage().maxRSS / 1024);
}
