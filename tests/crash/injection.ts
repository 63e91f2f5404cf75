/**
 * Calls to the system that fail, or are the last one, made so from outside by `strace`: neither the product nor the runtime
 * knows. Only calls on files of the database count, so that a runtime's own files are left alone.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** Calls that a database makes, by what they do; of several names the runtime takes one. */
export const CALLS = {
  "sync a file": "fdatasync",
  "sync a directory": "fsync",
  write: "pwrite64,pwritev,write",
  open: "openat",
  close: "close",
  rename: "rename,renameat,renameat2",
  link: "link,linkat",
  remove: "unlink,unlinkat",
  // Made only where a write has failed half way.
  cut: "ftruncate",
} as const;

/** What a call is. */
export type Call = keyof typeof CALLS;

/** What becomes of it: `"+"` means it and all later ones. */
export type Outcome = "EIO" | "EIO+" | "ENOSPC" | "ENOSPC+" | "KILL";

/** One accident: which call, the how manieth of each thread, and what becomes of it. */
export interface Injection {
  call: Call;
  nth: number;
  outcome: Outcome;
}

/** File numbers that a run under injection may come to. */
const NUMBERS = 300;

/** Why nothing can be injected here; undefined where it can. */
export function obstacle(): string | undefined {
  const { error, status, stderr } = spawnSync("strace", ["-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "true"], {
    encoding: "utf8",
  });
  if (error !== undefined) return `strace does not start (${error.message})`;
  return status === 0 ? undefined : `strace may not trace processes (${stderr.trim()})`;
}

/** As people read it, and as `strace` does. */
export function nameOf({ call, nth, outcome }: Injection): string {
  return `${call} (${CALLS[call]}) ${nth}: ${outcome}`;
}

/** The program and arguments that start another one under these accidents; what was traced goes into a file. */
export function tracer(injections: readonly Injection[], directory: string, trace: string): string[] {
  const calls = [...new Set(injections.map(({ call }) => CALLS[call]))].join(",");
  const injects = injections.flatMap(({ call, nth, outcome }) => {
    const what = outcome === "KILL" ? "signal=KILL" : `error=${outcome.replace("+", "")}`;
    return ["-e", `inject=${CALLS[call]}:${what}:when=${nth}${outcome.endsWith("+") ? "+" : ""}`];
  });
  const paths = namesIn(directory).flatMap((path) => ["-P", path]);
  // Stopped by a filter at the chosen calls alone a program is fast, and no signal reaches it there: Linux drops it.
  const stops = injections.some(({ outcome }) => outcome === "KILL") ? [] : ["--seccomp-bpf"];
  return ["strace", "-f", ...stops, "-qq", "-o", trace, ...paths, "-e", `trace=${calls}`, ...injects];
}

/** The program and arguments that start another one whose syncs of files take so much longer. */
export function slowSyncs(ms: number): string[] {
  const call = CALLS["sync a file"];
  const inject = `inject=${call}:delay_enter=${ms * 1000}`;
  return ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", `trace=${call}`, "-e", inject];
}

/** All files there may be: `strace` takes paths and no patterns. */
function namesIn(directory: string): string[] {
  const names = ["CURRENT", "RESERVE"];
  for (let n = 1; n <= NUMBERS; n++) {
    const number = String(n).padStart(6, "0");
    names.push(`CURRENT.${n}`, `MANIFEST-${number}`, `${number}.log`, `${number}.sst`, `${number}.blob`);
  }
  return [directory, ...names.map((name) => join(directory, name))];
}
