/** Races between processes over one store. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

/**
 * Starts racers in this runtime (`store_racer.ts` says what they do), lets them go at once, and gives what they say.
 * `permissions` is what they need under Deno.
 */
export async function raceAt(
  place: string,
  names: string[],
  count: number,
  work: string,
  permissions: string[],
): Promise<number[]> {
  const flags = "Deno" in globalThis ? ["run", "--no-prompt", "--no-check", ...permissions] : [];
  const program = fileURLToPath(new URL("store_racer.ts", import.meta.url));
  const racers = names.map((name) => {
    const child = spawn(process.execPath, [...flags, program, place, name, String(count), work]);
    let said = "";
    let complaints = "";
    child.stderr.on("data", (data) => complaints += data);
    const ready = new Promise<void>((resolve) => {
      child.stdout.on("data", (data) => {
        said += data;
        if (said.startsWith("ready\n")) resolve();
      });
      child.once("close", () => resolve());
    });
    const closed = new Promise<number>((resolve) => {
      child.once("close", () => {
        assert.equal(complaints, "");
        resolve(Number(said.split("\n")[1]));
      });
    });
    return { child, ready, closed };
  });
  await Promise.all(racers.map(({ ready }) => ready));
  for (const { child } of racers) child.stdin.end("go\n");
  return await Promise.all(racers.map(({ closed }) => closed));
}
