/**
 * What a program waits for before the first answer: the import of the package and the first open, each in a new process. From
 * the npm package, from what `deno pack` makes (a file for each module), and from the sources of this checkout, in turn.
 *
 *     node bench/begin.ts [--rounds 9] [--runtime node,bun,deno]
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { binary, root } from "../tests/tools/runtimes.ts";
import { unpacked, unpackedPackage } from "./npm_package.ts";
import { positive } from "./options.ts";
import { median, table } from "./report.ts";
import { command, machine, type Runtime, RUNTIMES } from "./runtime.ts";

const text = { type: "string" } as const;
const { values: options } = parseArgs({ options: { rounds: text, runtime: text } });
const rounds = positive(options.rounds, 9, "rounds");
const wanted = options.runtime?.split(",") ?? RUNTIMES;
const runtimes = RUNTIMES.filter((runtime) => wanted.includes(runtime));
if (runtimes.length !== wanted.length) throw new TypeError(`--runtime can't be ${options.runtime}.`);

const directory = mkdtempSync(join(tmpdir(), "begin-"));

/** Milliseconds, and of the processor. */
interface Begun {
  imported: number;
  importedCpu: number;
  answered: number;
  answeredCpu: number;
}

/** Prints what the import took, and that with the first open and a lookup. */
const PROGRAM = `import process from "node:process";
const [address, directory] = process.argv.slice(-2);
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
const [start, startCpu] = [performance.now(), cpu()];
const { DB } = await import(address);
const [imported, importedCpu] = [performance.now() - start, cpu() - startCpu];
const db = await DB.open(directory);
await db.get("greeting");
const [answered, answeredCpu] = [performance.now() - start, cpu() - startCpu];
await db.close();
console.log(JSON.stringify({ imported, importedCpu, answered, answeredCpu }));
`;

async function packages(): Promise<[string, string][]> {
  const modules = join(directory, "modules.tgz");
  execFileSync(binary("deno"), ["pack", "--allow-dirty", `--output=${modules}`], {
    cwd: root,
    stdio: "ignore",
  });
  return [
    ["npm package", await unpackedPackage(directory, "package")],
    ["a file for each module", unpacked(modules, join(directory, "modules"))],
    ["sources", join(root, "mod.ts")],
  ];
}

function begin(runtime: Runtime, path: string): Begun {
  const [program, args] = command(runtime, "begin.mjs", [pathToFileURL(path).href, join(directory, "db")], directory);
  return JSON.parse(execFileSync(program, args, { encoding: "utf8" })) as Begun;
}

try {
  writeFileSync(join(directory, "begin.mjs"), PROGRAM);
  const kinds = await packages();
  console.log(`${machine()}; medians of ${rounds}, ms (of the processor)\n`);
  const body = runtimes.flatMap((runtime) => {
    const begun = kinds.map((): Begun[] => []);
    // The first round fills what the system and the runtimes keep of files.
    for (let round = 0; round <= rounds; round++) {
      for (const [index, [, path]] of kinds.entries()) {
        const one = begin(runtime, path);
        if (round > 0) begun[index]!.push(one);
      }
    }
    return kinds.map(([kind], index) => {
      const of = (get: (one: Begun) => number): string => median(begun[index]!.map(get)).toFixed(0);
      return [
        `${runtime}: ${kind}`,
        `${of(({ imported }) => imported)} (${of(({ importedCpu }) => importedCpu)})`,
        `${of(({ answered }) => answered)} (${of(({ answeredCpu }) => answeredCpu)})`,
      ];
    });
  });
  console.log(table(["", "import", "import, open, one lookup"], body));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
