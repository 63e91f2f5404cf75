/** Starts the servers that the test files of a run share, each once, and tells the files by the environment. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { root } from "../../tools/runtimes.ts";
import { SERVERS, variableOf } from "./shared.ts";

/** Starts what these files ask for; a server that doesn't start is a reason not to test it, which its files then tell. */
export async function startServers(files: readonly string[]): Promise<{ stop: () => Promise<void> }> {
  const texts = files.map((file) => readFileSync(root + file, "utf8"));
  const wanted = (Object.keys(SERVERS) as (keyof typeof SERVERS)[])
    .filter((name) => texts.some((text) => SERVERS[name].asked.test(text)));
  const started: { stop(): Promise<void> }[] = [];
  // One after the other: they install what is missing, and start faster alone.
  for (const name of wanted) {
    const { missing, start } = SERVERS[name];
    const reason = missing();
    if (reason !== undefined) {
      process.env[variableOf(name)] = JSON.stringify({ missing: reason });
      continue;
    }
    const server = await start();
    started.push(server);
    // Without what can be done to it, which only this process can.
    process.env[variableOf(name)] = JSON.stringify(server);
  }
  return {
    stop: async () => {
      for (const server of started) await server.stop();
    },
  };
}
