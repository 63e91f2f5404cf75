/**
 * Run by the lock tests as a process of its own: `lock_holder.ts FILE` takes the lock on FILE and says `held PID`, or what
 * stood in the way, then waits until it is killed or its input ends.
 */
import process from "node:process";
import { nodeFileSystem } from "../../lib/files/node_file_system.ts";

const path = process.argv[2] ?? "";
let answer: string;
try {
  await nodeFileSystem().lock(path);
  answer = `held ${process.pid}`;
} catch (error) {
  answer = String(error);
}
process.stdout.write(`${answer}\n`);
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
