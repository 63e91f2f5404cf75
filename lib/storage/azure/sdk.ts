/**
 * The one file that imports `@azure/storage-blob`, when the first request is made and not before: it takes half a second.
 *
 * Its own retries are off: they know neither jitter nor `Retry-After`, leave out 408, 429, 502 and 504, make the first one
 * without a pause, and a put that met itself could not be told from one that met another (`docs/decisions/0042`).
 *
 * @module
 */
import type * as Sdk from "@azure/storage-blob";
import type { ContainerClient, Pipeline, StoragePipelineOptions } from "@azure/storage-blob";
import { type Connections, ownConnections } from "../remote/connections.ts";
import { defaultCredential } from "./identity.ts";
import type { AzureSettings } from "./settings.ts";

export type { BlobImmutabilityPolicy, BlockBlobClient, ContainerClient } from "@azure/storage-blob";

/** In the place of the network, for tests that look at requests. */
export type AzureTransport = NonNullable<StoragePipelineOptions["httpClient"]>;

/** What of Deno is used. */
interface DenoPermissions {
  requestSync?(permission: { name: "sys"; kind: string }): { state: string };
}

/**
 * Without the system's release the client can't say who it is, and leaves a promise behind that rejects and that nobody looks
 * at: the whole program would end. So Deno is asked before (which asks the user where it may).
 */
function assertPermitted(): void {
  const { permissions } = (globalThis as { Deno?: { permissions?: DenoPermissions } }).Deno ?? {};
  const kind = "osRelease";
  if (permissions?.requestSync === undefined || permissions.requestSync({ name: "sys", kind }).state === "granted") {
    return;
  }
  throw Object.assign(new Error(`Requires sys access to "${kind}"`), { name: "NotCapable" });
}

async function loadSdk(): Promise<typeof Sdk> {
  try {
    return await import("@azure/storage-blob");
  } catch (error) {
    // Caught, for what is tried may be missing where a bundler puts a program together, and what is not stops it.
    throw error;
  }
}

/** The client of a container. */
export async function containerClient(
  settings: AzureSettings,
  transport: AzureTransport | undefined,
): Promise<ContainerClient> {
  assertPermitted();
  const { AnonymousCredential, BlobServiceClient, newPipeline, StorageSharedKeyCredential } = await loadSdk();
  const { auth, account, endpoint, container } = settings;
  const credential = auth.kind === "sas"
    ? new AnonymousCredential()
    : auth.kind === "key"
    ? new StorageSharedKeyCredential(account, auth.accountKey)
    : auth.kind === "credential"
    ? auth.credential
    : await defaultCredential();
  const pipeline = newPipeline(credential, {
    retryOptions: { maxTries: 1 },
    userAgentOptions: { userAgentPrefix: "holdfast" },
    ...(transport === undefined ? {} : { httpClient: transport }),
  });
  const connections = ownConnections();
  if (connections !== undefined) pipeline.factories.push(connecting(connections));
  const service = new BlobServiceClient(auth.kind === "sas" ? `${endpoint}?${auth.token}` : endpoint, pipeline);
  return service.getContainerClient(container);
}

/** Makes requests by these, but for those that go by a proxy. */
function connecting({ http, https }: Connections): Pipeline["factories"][number] {
  return {
    create: (next) => ({
      sendRequest(request) {
        request.agent ??= request.url.startsWith("https:") ? https : http;
        return next.sendRequest(request);
      },
    }),
  };
}
