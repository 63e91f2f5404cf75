/** Archives made to harm, restored through the public calls: every one is refused by name and leaves no trace. */
import assert from "node:assert/strict";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { describe, it } from "node:test";
import { concatBytes, encodeText } from "../../lib/base/bytes.ts";
import { CorruptionError, DB, type HoldfastError, IntegrityError, UnsupportedFormatError } from "../../mod.ts";
import { archiveOf, END, type Forged, gnuLong, header, member, pax, soundFiles } from "./archive.ts";
import { inPieces } from "../backup/helpers.ts";
import { Shelter } from "./shelter.ts";

const NAMED = (error: HoldfastError): boolean =>
  error instanceof IntegrityError || error instanceof CorruptionError || error instanceof UnsupportedFormatError;

const BODY = encodeText("evil");
const long = (text: string, count: number): string => text.repeat(count);
const binary = (...bytes: number[]): Uint8Array => {
  const out = new Uint8Array(12);
  out.set(bytes, 12 - bytes.length);
  return out;
};
const gnuSize = (first: number, ...rest: number[]): Uint8Array => {
  const out = binary(...rest);
  out[0] = first;
  return out;
};

/** Members that no sound archive has. */
const MEMBERS: [string, Uint8Array][] = [
  ...[
    "../escaped",
    "../../secret.txt",
    "a/../../escaped",
    "./../escaped",
    "..",
    "../",
    "/tmp/holdfast-escaped",
    "//etc/passwd",
    "..\\escaped",
    "a\\..\\..\\escaped",
    "\\\\host\\share\\x",
    "C:\\escaped",
    "c:escaped",
    "C:/escaped",
    "a/b/000001.sst",
    "neighbour/secret.txt",
    "lost.txt",
    "000001.sst/000002.sst/x",
    "000001.sst ",
    " 000001.sst",
    "000001.SST",
    "000001.sst.",
    "1.sst",
    "00000000000000000000000001.sst",
    "MANIFEST-1",
    "CURRENT/../x",
    "\u202e000001.sst",
  ].map((name): [string, Uint8Array] => [`the name ${JSON.stringify(name)}`, member({ name }, BODY)]),
  ["an empty name", member({ name: "" }, BODY)],
  ["the name .", member({ name: "." }, BODY)],
  ["the name ./", member({ name: "./" }, BODY)],
  ["a name that is not UTF-8", member({ name: new Uint8Array([0xff, 0xfe, 0x2e]) }, BODY)],
  ["a prefix that climbs out", member({ name: "escaped", prefix: "../.." }, BODY)],
  ["an absolute prefix", member({ name: "escaped", prefix: "/tmp" }, BODY)],
  ["a name without an end", member({ name: long("n", 100) }, BODY)],
  ["an extended path that climbs out", concatBytes(pax({ path: "../escaped" }), member({}, BODY))],
  ["an extended path with a zero", concatBytes(pax({ path: "000001.sst\0../x" }), member({}, BODY))],
  ["an extended path that is absolute", concatBytes(pax({ path: "/tmp/x" }), member({}, BODY))],
  ["an extended path of 60,000 bytes", concatBytes(pax({ path: long("a/", 30_000) }), member({}, BODY))],
  ["an extended path of no bytes", concatBytes(pax({ path: "" }), member({}, BODY))],
  ["an extended size above the archive", concatBytes(pax({ size: "9007199254740991" }), member({}, BODY))],
  ["an extended size that is negative", concatBytes(pax({ size: "-1" }), member({}, BODY))],
  ["an extended size of 40 digits", concatBytes(pax({ size: long("9", 40) }), member({}, BODY))],
  ["an extended size in hexadecimal", concatBytes(pax({ size: "0x10" }), member({}, BODY))],
  ["an extended size with a fraction", concatBytes(pax({ size: "1.5" }), member({}, BODY))],
  ["a sparse file (pax)", concatBytes(pax({ "GNU.sparse.major": "1", "GNU.sparse.realsize": "9" }), member({}, BODY))],
  ["a sparse file (GNU)", member({ type: "S" }, BODY)],
  ["an extended header above its limit", member({ name: "P", type: "x" }, new Uint8Array(70_000))],
  ["an extended header of zeros", member({ name: "P", type: "x" }, new Uint8Array(512))],
  ["an extended header whose length lies", member({ name: "P", type: "x" }, encodeText("99 path=x\n"))],
  ["an extended header whose length is 0", member({ name: "P", type: "x" }, encodeText("0 path=x\n"))],
  ["a GNU long name that climbs out", concatBytes(gnuLong("../escaped"), member({}, BODY))],
  ["a GNU long name of 70,000 bytes", concatBytes(gnuLong(long("n", 70_000)), member({}, BODY))],
  ["a GNU long name of 60,000 bytes", concatBytes(gnuLong(long("\x01", 60_000)), member({}, BODY))],
  ["a GNU long name of zeros", concatBytes(gnuLong(long("\0", 600)), member({ name: "" }, BODY))],
  ["a GNU long name with a zero inside", concatBytes(gnuLong("a\0b"), member({}, BODY))],
  ["a GNU long link", concatBytes(gnuLong("/etc/passwd", "K"), member({ type: "2" }))],
  ["a symbolic link out", member({ type: "2", link: "/etc/passwd" })],
  ["a symbolic link up", member({ type: "2", link: ".." })],
  [
    "a link, and a member through it",
    concatBytes(
      member({ name: "sub", type: "2", link: "../neighbour" }),
      member({ name: "sub/000009.sst" }, BODY),
    ),
  ],
  [
    "a table that is a link, and its bytes",
    concatBytes(
      member({ name: "000099.sst", type: "2", link: "../../neighbour/secret.txt" }),
      member({ name: "000099.sst" }, BODY),
    ),
  ],
  ["a hard link out", member({ type: "1", link: "../neighbour/secret.txt" })],
  ["a hard link to a member", member({ name: "000098.sst", type: "1", link: "CURRENT" })],
  ["a character device", member({ type: "3" })],
  ["a block device", member({ type: "4" })],
  ["a named pipe", member({ type: "6" })],
  ["a type of no one", member({ type: "Z" }, BODY)],
  ["a volume label", member({ type: "V" })],
  ["a multi-volume rest", member({ type: "M" }, BODY)],
  ["a folder with contents", member({ name: "d/", type: "5" }, BODY)],
  ["a folder that climbs out", member({ name: "../d/", type: "5" })],
  ["a folder in a folder", member({ name: "d/e/f/", type: "5" })],
  ["a size of 2^56", header({ size: gnuSize(0x80, 1, 0, 0, 0, 0, 0, 0, 0) })],
  ["a size that is negative", header({ size: gnuSize(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) })],
  ["a size of 2^63", header({ size: gnuSize(0x80, 0x80, 0, 0, 0, 0, 0, 0, 0) })],
  ["a size with a sign", header({ size: encodeText("-0000000004\0") })],
  ["a size that is not octal", header({ size: encodeText("00000000099\0") })],
  ["a size in twelve digits", header({ size: encodeText("777777777777") })],
  ["a checksum that is wrong", member({ badChecksum: true }, BODY)],
];

/** The names that must be refused as the whole archive, not as one of its members. */
const WHOLE = new Set(["a size of 2^56", "a size in twelve digits", "an extended size above the archive"]);

describe("a hostile archive", () => {
  it("is refused whatever member it holds, before, behind and between sound ones", async () => {
    const files = await soundFiles();
    let tried = 0;
    await Shelter.each(async (shelter) => {
      for (const [what, bytes] of MEMBERS) {
        const before = archiveOf(files, [bytes]);
        const behind = archiveOf(files, [], [bytes]);
        await shelter.refuses(what, () => inPieces(before, 4096), NAMED);
        // On the real disk a part is enough: what differs there is links and paths.
        if (shelter.fs.kind === "memory" || WHOLE.has(what)) {
          await shelter.refuses(`${what}, behind`, () => inPieces(behind, 4096), NAMED);
          tried++;
        }
        tried++;
      }
    });
    console.log(`hostile archives: ${MEMBERS.length} members, ${tried} archives, each restored in two to five ways`);
  });

  it("is refused as a file, packed or not, as in a stream", async () => {
    const bytes = archiveOf(await soundFiles(), [member({ name: "../escaped" }, BODY)]);
    const packed: [string, Uint8Array][] = [
      ["x.tar", bytes],
      ["x.tar.gz", gzipSync(bytes)],
      ["x.tar.zst", zstdCompressSync(bytes)],
      // The name says nothing.
      ["y.jsonl", gzipSync(bytes)],
    ];
    await Shelter.each(async (shelter) => {
      for (const [name, file] of packed) {
        await shelter.write(`input/${name}`, file);
        await shelter.refuses(name, () => shelter.path(`input/${name}`), NAMED);
      }
    });
  });

  it("takes what sound programs write beside: folders, notes of macOS, a lock, zeros at the end", async () => {
    await using shelter = await Shelter.memory();
    const files = new Map([...await soundFiles()].map(([name, bytes]) => [`./${name}`, bytes]));
    const bytes = concatBytes(
      archiveOf(files, [
        member({ name: "./", type: "5" }),
        member({ name: "./._CURRENT" }, BODY),
        member({ name: "./LOCK" }),
      ]),
      new Uint8Array(9000),
    );
    await DB.restore(inPieces(bytes), shelter.path("new"), { fileSystem: shelter.fs });
    const db = await shelter.open("new");
    assert.equal(await db.get("b"), "text");
    await db.close();
    assert.ok(!(await shelter.fs.list(shelter.path("new"))).some((name) => name.startsWith("._")));
  });

  it("is refused when it lacks, doubles or cuts what it should hold", async () => {
    const files = await soundFiles();
    await using shelter = await Shelter.memory();
    let tried = 0;
    const refuses = async (what: string, bytes: Uint8Array): Promise<void> => {
      await shelter.refuses(what, () => inPieces(bytes, 4096), NAMED);
      tried++;
    };
    for (const [name, bytes] of files) {
      const without = new Map([...files].filter(([other]) => other !== name));
      await refuses(`without ${name}`, archiveOf(without));
      await refuses(`${name} twice`, archiveOf(files, [member({ name }, bytes)]));
      await refuses(`${name} in a folder beside`, archiveOf(files, [member({ name: `d/${name}` }, bytes)]));
      await refuses(`${name} cut`, archiveOf(new Map([...files, [name, bytes.subarray(0, bytes.length - 1)]])));
      await refuses(`${name} empty`, archiveOf(new Map([...files, [name, new Uint8Array(0)]])));
      // Zeros where the header says that a file is, to the very byte.
      await refuses(`${name} of zeros`, archiveOf(new Map([...files, [name, new Uint8Array(bytes.length)]])));
    }
    const whole = archiveOf(files);
    for (let at = 0; at < whole.length - 1024; at += 512 * 3 + 100) {
      await refuses(`cut at ${at}`, whole.subarray(0, at));
    }
    await refuses("nothing at all", new Uint8Array(0));
    await refuses("an end and nothing before", END);
    console.log(`hostile archives: ${tried} that lack, double or cut something`);
  });

  it("is given up after a bounded number of steps, however long it goes on", async () => {
    await using shelter = await Shelter.memory();
    const endless = (first: Uint8Array, rest: Uint8Array, most: number) => {
      return async function* (): AsyncGenerator<Uint8Array> {
        if (first.length > 0) yield first;
        for (let taken = 0;; taken += rest.length) {
          assert.ok(taken < most, `more than ${most} bytes were asked for`);
          yield rest;
        }
      };
    };
    const many = (forged: Forged | Uint8Array): Uint8Array => {
      const one = forged instanceof Uint8Array ? forged : member(forged);
      return concatBytes(...Array.from({ length: 100 }, () => one));
    };
    const start = member({ name: "LOCK" });
    const mib = 2 ** 20;
    const cases: [string, Uint8Array, Uint8Array][] = [
      ["zeros", new Uint8Array(0), new Uint8Array(65536)],
      ["zeros behind a member", start, new Uint8Array(65536)],
      ["garbage", new Uint8Array(0), new Uint8Array(65536).fill(0xa5)],
      ["extended headers", start, many(pax({ comment: "x" }))],
      ["extended headers of all members", start, many(pax({ comment: "x" }, "g"))],
      ["long names", start, many(gnuLong("000001.sst"))],
      ["folders", start, many({ name: "d/", type: "5" })],
      ["the same empty file", start, many({ name: "000001.sst" })],
    ];
    for (const [what, first, rest] of cases) {
      await shelter.refuses(`endless ${what}`, endless(first, rest, 16 * mib), NAMED);
    }
  });

  it("of hundreds of empty files is refused for what it lacks", async () => {
    await using shelter = await Shelter.memory();
    async function* members(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 300; i++) yield member({ name: `${String(i).padStart(6, "0")}.sst` });
      yield END;
    }
    await shelter.refuses("300 empty files", members, (error) => /no CURRENT/.test(error.message));
  });
});
