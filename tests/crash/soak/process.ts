/** The soak's child as a process: started, listened to through its file, killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { binaryOf } from "../writer_process.ts";

const program = fileURLToPath(new URL("child.ts", import.meta.url));

/** Deno gets the least that users give it; all may collect garbage when asked. */
const argumentsOf: Record<string, (directory: string) => string[]> = {
  deno: (directory) => [
    "run",
    "--no-prompt",
    "--no-check",
    "--v8-flags=--expose-gc",
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
  ],
  bun: () => ["run"],
  node: () => ["--expose-gc"],
};

/** How a child ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  complaints: string;
}

/** A child that runs. */
export class SoakProcess {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;
  readonly #said: string;
  #position = 0;

  /** Starts one; what it says is read from `said`. */
  constructor(runtime: string, { root, orders, said }: { root: string; orders: string; said: string }) {
    this.#said = said;
    const args = [...argumentsOf[runtime]!(root), program, orders];
    // A group of its own, so that Ctrl-C reaches the parent alone.
    this.#child = spawn(binaryOf(runtime), args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
    let complaints = "";
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on("data", (data: Uint8Array) => complaints += data);
    }
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve({ code: 127, signal: null, complaints: error.message }));
      this.#child.once("close", (code, signal) => resolve({ code, signal, complaints }));
    });
  }

  /** The whole lines that it has said since the last call. */
  heard(): string[] {
    if (!existsSync(this.#said)) return [];
    const text = readFileSync(this.#said).subarray(this.#position);
    const end = text.lastIndexOf(0x0a) + 1;
    this.#position += end;
    return end === 0 ? [] : text.subarray(0, end - 1).toString().split("\n");
  }

  /** Ends it without warning. */
  kill(): void {
    try {
      process.kill(-this.#child.pid!, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** The open files of a process, and how many of them are removed ones; undefined where the system doesn't tell. */
export function handlesOf(pid: number): { handles: number; strays: number } | undefined {
  const directory = `/proc/${pid}/fd`;
  try {
    const links = readdirSync(directory).map((name) => {
      try {
        return readlinkSync(`${directory}/${name}`);
      } catch {
        return ""; // closed meanwhile
      }
    });
    return { handles: links.length, strays: links.filter((link) => link.endsWith(" (deleted)")).length };
  } catch {
    return undefined;
  }
}
