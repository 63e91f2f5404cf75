/** An emulator, a faulty network before it, and stores that speak through that. */
import { after, before } from "node:test";
import { systemTimers, type Timers } from "../../../lib/base/timers.ts";
import { AzureStore, type AzureSurroundings } from "../../../lib/storage/azure/azure_store.ts";
import { type AzureOptions, azureSettings } from "../../../lib/storage/azure/settings.ts";
import { ACCOUNT, type Azurite, KEY, startAzurite } from "../servers/azurite.ts";
import { type FaultyProxy, type PassedRequest, startFaultyProxy } from "../servers/faulty_proxy.ts";

/** What the tests of one file share. */
export interface AzureFixture {
  readonly server: Azurite;
  readonly proxy: FaultyProxy;
  /** The pauses between attempts, ms, which are not waited for. */
  readonly pauses: number[];
  /** A store in a new container, or in the one that is named. */
  open(options?: AzureOptions, around?: Partial<AzureSurroundings> & { container?: string }): Promise<AzureStore>;
  /** What a call sent. */
  sent(run: () => Promise<unknown>): Promise<PassedRequest[]>;
}

/** A pause is noted and over at once; a deadline is a time that a test does not reach. */
function timersOf(pauses: number[], deadlineMs: number): Timers {
  return {
    set(ms, run, keepAlive) {
      if (ms === deadlineMs) return systemTimers.set(ms, run, keepAlive);
      pauses.push(ms);
      return systemTimers.set(0, run, keepAlive);
    },
  };
}

/** Starts both before the file's tests and ends them afterwards. */
export function azureFixture(options: { onDisk?: boolean } = {}): AzureFixture {
  let server: Azurite;
  let proxy: FaultyProxy;
  before(async () => {
    server = await startAzurite(options);
    proxy = await startFaultyProxy(new URL(server.endpoint).origin);
  });
  after(async () => {
    await proxy.close();
    await server.remove();
  });
  const pauses: number[] = [];
  return {
    get server() {
      return server;
    },
    get proxy() {
      return proxy;
    },
    pauses,
    async open(options = {}, { container, ...around } = {}) {
      const authorized = ["accountKey", "sasToken", "credential", "connectionString"].some((name) => name in options);
      const settings = azureSettings(`azure://${ACCOUNT}/${container ?? await server.newContainer()}/p`, {
        endpoint: `${proxy.url}/${ACCOUNT}`,
        ...(authorized ? {} : { accountKey: KEY }),
        ...options,
      });
      return new AzureStore(settings, { timers: timersOf(pauses, settings.deadlineMs), random: () => 0.5, ...around });
    },
    async sent(run) {
      const from = proxy.passed.length;
      try {
        await run();
      } finally {
        proxy.faultOf = () => undefined;
      }
      return proxy.passed.slice(from);
    },
  };
}
