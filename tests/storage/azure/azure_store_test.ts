/** The Azure store against Azurite: the conformance suite, then what is its own. */
import { AzureStore } from "../../../lib/storage/azure/azure_store.ts";
import { azureSettings } from "../../../lib/storage/azure/settings.ts";
import { LONG } from "../../crash/random.ts";
import { storeSuite } from "../store_suite.ts";
import { ACCOUNT, accountAt, KEY } from "../servers/azurite.ts";
import { sharedServer } from "../servers/shared.ts";

const server = accountAt((await sharedServer("azurite"))!.endpoint);

const open = async (options = {}): Promise<AzureStore> =>
  new AzureStore(azureSettings(`azure://${ACCOUNT}/${await server.newContainer()}/some/prefix`, {
    accountKey: KEY,
    endpoint: server.endpoint,
    ...options,
  }));

// Small blocks: short bodies go as one, all others in many.
storeSuite("AzureStore", () => open({ blockBytes: 256 * 1024, concurrency: 3 }), { slow: true });
if (LONG) storeSuite("AzureStore as it comes", () => open());
