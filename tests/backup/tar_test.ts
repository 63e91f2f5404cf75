import { after, describe, it } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concatBytes, encodeText } from "../../lib/base/bytes.ts";
import { IntegrityError } from "../../lib/base/errors.ts";
import { decodeTarHeader, encodeTarHeader } from "../../lib/backup/archive/tar_header.ts";
import { readTar } from "../../lib/backup/archive/tar_reader.ts";
import { tarLength, type TarMember, writeTar } from "../../lib/backup/archive/tar_writer.ts";
import { collect, inPieces } from "./helpers.ts";

const member = (name: string, bytes: Uint8Array): TarMember => ({ name, size: bytes.length, pieces: () => [bytes] });

/** A header with one field replaced and the checksum made right again. */
function forged(name: string, type: string, edit?: (block: Uint8Array) => void, size = 0): Uint8Array {
  const block = encodeTarHeader(name.slice(0, 100), size, 0);
  block[156] = type.charCodeAt(0);
  edit?.(block);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.set(encodeText(`${sum.toString(8).padStart(6, "0")}\0`), 148);
  return block;
}

async function readAll(archive: Uint8Array, piece = 1000): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const entry of readTar(inPieces(archive, piece), "x.tar")) {
    found[entry.name] = new TextDecoder().decode(await collect(entry.pieces));
  }
  return found;
}

const END = new Uint8Array(1024);
const hasTar = ((): boolean => {
  try {
    execFileSync("tar", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
})();

describe("tar", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-tar-"));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const long = `${"n".repeat(150)}.sst`;
  const files = {
    CURRENT: encodeText("marker"),
    "000001.sst": new Uint8Array(70_000).fill(7),
    [long]: encodeText("long"),
  };
  const archive = (): Promise<Uint8Array> =>
    collect(writeTar(Object.entries(files).map(([name, bytes]) => member(name, bytes)), 1_700_000_000_000));

  it("reads back what it wrote, in pieces of any size", async () => {
    const bytes = await archive();
    assert.equal(bytes.length, tarLength(Object.entries(files).map(([name, b]) => ({ name, size: b.length }))));
    for (const piece of [7, 511, 512, 513, 100_000]) {
      const found = await readAll(bytes, piece);
      assert.deepEqual(Object.keys(found), ["CURRENT", "000001.sst", long]);
      assert.equal(found[long], "long");
    }
  });

  it("skips what the reader of an entry leaves", async () => {
    const names: string[] = [];
    for await (const entry of readTar(inPieces(await archive(), 700), "x.tar")) names.push(entry.name);
    assert.deepEqual(names, ["CURRENT", "000001.sst", long]);
  });

  it("takes a contiguous file for a file, and a global header for nobody's name", async () => {
    const name = encodeText("14 path=other\n");
    const global = concatBytes(forged("pax", "g", undefined, name.length), name, new Uint8Array(512 - name.length));
    const bytes = concatBytes(global, forged("x", "7"), END);
    assert.deepEqual(await readAll(bytes), { x: "" });
  });

  it("writes what the system's tar extracts", async () => {
    if (!hasTar) return;
    const path = join(directory, "a.tar");
    writeFileSync(path, await archive());
    const out = join(directory, "out");
    mkdirSync(out);
    execFileSync("tar", ["xf", path, "-C", out]);
    assert.deepEqual(readdirSync(out).sort(), Object.keys(files).sort());
    for (const [name, bytes] of Object.entries(files)) {
      assert.deepEqual(new Uint8Array(readFileSync(join(out, name))), bytes);
    }
  });

  it("reads what the system's tar makes of a directory, from inside and from above", async () => {
    if (!hasTar) return;
    const source = join(directory, "source");
    mkdirSync(source);
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(source, name), bytes);
    for (const args of [["-C", source, "."], ["-C", directory, "source"], ["--format=pax", "-C", source, "."]]) {
      const path = join(directory, "made.tar");
      execFileSync("tar", ["cf", path, ...args]);
      const found = await readAll(new Uint8Array(readFileSync(path)), 4096);
      assert.deepEqual(Object.keys(found).sort(), Object.keys(files).sort());
      assert.equal(found.CURRENT, "marker");
    }
  });

  it("gives files the latest time that its field can say, where theirs is later", () => {
    const digits = (time: number): string => new TextDecoder().decode(encodeTarHeader("a", 1, time).subarray(136, 148));
    assert.equal(digits(1_700_000_000_999), "14524770400\0");
    assert.equal(digits(Date.UTC(9999, 0, 1)), "77777777777\0");
  });

  it("says sizes above 8 GiB in an extended header, and reads GNU's binary sizes", () => {
    const size = 9 * 2 ** 30;
    const blocks = encodeTarHeader("big", size, 0);
    assert.equal(blocks.length, 3 * 512);
    assert.match(new TextDecoder().decode(blocks.subarray(512, 1024)), /^19 size=9663676416\n/);
    const gnu = forged("big", "0", (block) => {
      block.fill(0, 124, 136);
      block[124] = 0x80;
      block[131] = 2; // 2 * 2^32
    });
    assert.equal(decodeTarHeader(gnu)?.size, 2 * 2 ** 32);
  });

  const refused: [string, RegExp, Uint8Array][] = [
    ["an absolute path", /absolute/, forged("/etc/passwd", "0")],
    ["a path that climbs out", /leads out/, forged("../x", "0")],
    ["a path that climbs out later", /leads out/, forged("a/../../x", "0")],
    ["a drive letter", /absolute or foreign/, forged("C:x", "0")],
    ["a backslash", /absolute or foreign/, forged("a\\b", "0")],
    ["a hard link", /hard link/, forged("x", "1")],
    ["a symbolic link", /symbolic link/, forged("x", "2")],
    ["a device", /character device/, forged("x", "3")],
    ["a pipe", /named pipe/, forged("x", "6")],
    ["a long link", /a link/, forged("x", "K", undefined, 10)],
    ["an unknown type", /unknown type "V"/, forged("x", "V")],
    ["a deep path", /another folder/, forged("a/b/c", "0")],
    ["a nested folder", /nested folder/, forged("a/b/", "5")],
    ["a folder with contents", /contents of its own/, forged("a/", "5", undefined, 10)],
    ["a duplicate name", /twice/, concatBytes(forged("x", "0"), forged("./x", "0"))],
    ["two folders", /another folder/, concatBytes(forged("a/x", "0"), forged("b/y", "0"))],
    ["an absurd size", /absurd number|claims/, forged("x", "0", (block) => block.fill(0xff, 124, 136))],
    ["an absurd extended header", /extended header of/, forged("x", "x", undefined, 2 ** 30)],
    ["a size that is no number", /not octal/, forged("x", "0", (block) => block.fill(0x39, 124, 136))],
    ["an early end", /ends within "x"/, forged("x", "0", undefined, 5000).subarray(0, 512)],
  ];
  for (const [what, message, head] of refused) {
    it(`refuses ${what}`, async () => {
      const bytes = what === "an early end" ? head : concatBytes(head, END);
      await assert.rejects(readAll(bytes), (error) => error instanceof IntegrityError && message.test(error.message));
    });
  }

  it("refuses a wrong checksum", async () => {
    const bytes = concatBytes(forged("x", "0"), END);
    bytes[0]! ^= 1;
    await assert.rejects(readAll(bytes), /byte 148: the header's checksum is wrong/);
  });

  it("refuses an archive without its end, and an empty one", async () => {
    const bytes = await archive();
    await assert.rejects(readAll(bytes.subarray(0, bytes.length - 1024)), /ends early/);
    await assert.rejects(readAll(new Uint8Array(0)), /ends early/);
  });

  it("never fails otherwise than by IntegrityError on garbage", async () => {
    const bytes = await archive();
    let seed = 12345;
    for (let round = 0; round < 300; round++) {
      const damaged = bytes.slice(0, 4096);
      for (let n = 0; n < 3; n++) {
        seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
        damaged[seed % damaged.length] = seed >>> 24;
      }
      await readAll(damaged).catch((error) => assert.ok(error instanceof IntegrityError, String(error)));
    }
  });

  it("does not write a member that is not as long as it said", async () => {
    const lying = { name: "x", size: 10, pieces: () => [new Uint8Array(9)] };
    await assert.rejects(collect(writeTar([lying], 0)), /fewer than the 10 bytes/);
    await assert.rejects(collect(writeTar([{ ...lying, size: 5 }], 0)), /more than the 5 bytes/);
  });
});
