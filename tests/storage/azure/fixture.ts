/** An emulator, a faulty network before it, and stores that speak through that. */
import { after } from "node:test";
import { systemTimers, type Timers } from "../../../lib/base/timers.ts";
import { AzureStore, type AzureSurroundings } from "../../../lib/storage/azure/azure_store.ts";
import { type AzureOptions, azureSettings } from "../../../lib/storage/azure/settings.ts";
import { ACCOUNT, accountAt, type Azurite, type AzuriteAccount, KEY, startAzurite } from "../servers/azurite.ts";
import { type FaultyProxy, type PassedRequest, startFaultyProxy } from "../servers/faulty_proxy.ts";
import { sharedServer } from "../servers/shared.ts";

/** What the tests of one file share. */
export interface AzureFixture<Server extends AzuriteAccount = AzuriteAccount> {
  readonly server: Server;
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

/** The emulator that all share, and a proxy of one's own before it. */
export async function azureFixture(): Promise<AzureFixture> {
  return await fixtureOver(accountAt((await sharedServer("azurite"))!.endpoint));
}

/** An emulator of one's own, that may be killed. */
export async function ownAzureFixture(): Promise<AzureFixture<Azurite>> {
  const server = await startAzurite({ onDisk: true });
  after(() => server.remove());
  return await fixtureOver(server);
}

async function fixtureOver<Server extends AzuriteAccount>(server: Server): Promise<AzureFixture<Server>> {
  const proxy = await startFaultyProxy(new URL(server.endpoint).origin);
  after(() => proxy.close());
  const pauses: number[] = [];
  return {
    server,
    proxy,
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
