/**
 * The servers that the tests of one run share. `tests/run.ts` starts each once and tells its test files by the environment;
 * a file that is run by hand starts its own and ends it behind its last test.
 */
import process from "node:process";

import { startAzurite } from "./azurite.ts";
import { cephMissing, startCeph } from "./ceph.ts";
import type { S3Server } from "./s3_server.ts";
import { startSwift, swiftMissing } from "./swift.ts";

/** What is known of each server: what JSON can tell. */
interface Shared {
  ceph: S3Server;
  swift: S3Server;
  azurite: { readonly endpoint: string };
}

interface Kind<Server> {
  /** Why it can't be had here. */
  readonly missing: () => string | undefined;
  readonly start: () => Promise<Server & { stop(): Promise<void> }>;
  /** How a test file asks for it. */
  readonly asked: RegExp;
}

/** The servers there are. */
export const SERVERS: { readonly [Name in keyof Shared]: Kind<Shared[Name]> } = {
  ceph: { missing: cephMissing, start: startCeph, asked: /sharedServer\("ceph"\)/ },
  swift: { missing: swiftMissing, start: startSwift, asked: /sharedServer\("swift"\)/ },
  azurite: {
    missing: () => undefined,
    async start() {
      const { endpoint, remove } = await startAzurite();
      return { endpoint, stop: remove };
    },
    asked: /sharedServer\("azurite"\)|azureFixture\(\)/,
  },
};

/** Where `tests/run.ts` writes down what a server is: JSON of what is known of it, or of `{ missing }`. */
export const variableOf = (name: string): string => `HOLDFAST_TEST_${name.toUpperCase()}`;

/** A server to be used by many, or the reason why there is none, which was told. */
export async function sharedServer<Name extends keyof Shared>(name: Name): Promise<Shared[Name] | undefined> {
  const told = process.env[variableOf(name)];
  const known = told === undefined ? undefined : JSON.parse(told) as Shared[Name] | { missing: string };
  const { missing, start } = SERVERS[name];
  const reason = known === undefined ? missing() : "missing" in known ? known.missing : undefined;
  if (reason !== undefined) {
    console.log(`${name} was not tested: ${reason}.`);
    return undefined;
  }
  if (known !== undefined) return known as Shared[Name];
  const own = await start();
  // Not imported above: a run that starts servers is no test, and must not become one.
  const { after } = await import("node:test");
  after(() => own.stop());
  return own;
}
