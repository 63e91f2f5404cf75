// Makes a fresh checkout ready, and costs a fraction of a second when it already is.
//
// It runs before `npm test` and `npm run quickstart`, on whatever Node the machine has (20 or later), so it is plain
// JavaScript and imports nothing that has to be installed. It installs what package-lock.json says, then asks each of
// the three runtimes for its version: a binary whose install step was blocked is noticed here, with a remedy, and not
// as a puzzling failure in the middle of the tests.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const runtimes = ["deno", "bun", "node"];

/** Everything package-lock.json asks for, at the version it asks for (what is optional belongs to other systems). */
function isInstalled() {
  const hidden = join(root, "node_modules/.package-lock.json");
  if (!existsSync(hidden)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(hidden, "utf8")).packages;
  return Object.entries(wanted).every(([path, entry]) =>
    path === "" || entry.optional || present[path]?.version === entry.version
  );
}

/** `npm ci` by the npm that runs this script when there is one; a plain `node tests/tools/setup.mjs` finds it by name. */
function install() {
  const npm = process.env.npm_execpath;
  const [command, before] = npm === undefined || !npm.endsWith("js")
    ? ["npm", []]
    : [process.env.npm_node_execpath ?? process.execPath, [npm]];
  const { status } = spawnSync(command, [...before, "ci", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32" && command === "npm",
  });
  if (status !== 0) fail("npm ci failed (see above); nothing else was tried");
}

/** The version each runtime reports must be the one package.json pins. */
function checkRuntimes() {
  const pins = JSON.parse(readFileSync(join(root, "package.json"), "utf8")).devDependencies;
  for (const name of runtimes) {
    const { stdout, error } = spawnSync(join(root, "node_modules/.bin", name), ["--version"], {
      encoding: "utf8",
      shell: process.platform === "win32",
    });
    if (error !== undefined || !stdout.includes(pins[name])) {
      fail(`${name} ${pins[name]} did not start from node_modules: allow its install script, then run npm ci again`);
    }
  }
}

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

if (!isInstalled()) {
  console.log("setup: installing the runtimes and tools that package-lock.json pins (once; about 300 MB)");
  install();
  if (!isInstalled()) fail("node_modules still differs from package-lock.json after npm ci");
}
checkRuntimes();
