/**
 * The servers that the tests of one run share. `tests/run.ts` starts each once and tells its test files by the environment;
 * a file that is run by hand starts its own and ends it behind its last test.
 */
import process from "node:process";

import { cephMissing, startCeph } from "./ceph.ts";
import type { OwnS3Server, S3Server } from "./s3_server.ts";
import { startSwift, swiftMissing } from "./swift.ts";

/** The servers there are. */
export const SERVERS: Readonly<Record<"ceph" | "swift", Kind>> = {
  ceph: { missing: cephMissing, start: startCeph },
  swift: { missing: swiftMissing, start: startSwift },
};

interface Kind {
  /** Why it can't be had here. */
  readonly missing: () => string | undefined;
  readonly start: () => Promise<OwnS3Server>;
}

/** Where `tests/run.ts` writes down what a server is: JSON of an `S3Server`, or of `{ missing }`. */
export const variableOf = (name: string): string => `HOLDFAST_TEST_${name.toUpperCase()}`;

/** A server to be used by many, or the reason why there is none, which was told. */
export async function sharedServer(name: keyof typeof SERVERS): Promise<S3Server | undefined> {
  const told = process.env[variableOf(name)];
  const known = told === undefined ? undefined : JSON.parse(told) as S3Server | { missing: string };
  const { missing, start } = SERVERS[name];
  const reason = known === undefined ? missing() : "missing" in known ? known.missing : undefined;
  if (reason !== undefined) {
    console.log(`${name} was not tested: ${reason}.`);
    return undefined;
  }
  if (known !== undefined) return known as S3Server;
  const own = await start();
  // Not imported above: a run that starts servers is no test, and must not become one.
  const { after } = await import("node:test");
  after(() => own.stop());
  return own;
}
