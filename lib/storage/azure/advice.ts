/**
 * What to do about each failure of the Azure service, by its name for it.
 *
 * @module
 */
import { type Advice, NO_CLIENT, type RequestFailure } from "../remote/request_failure.ts";
import { AzureFailure, FORBIDDEN, NO_TOKEN, REPLACED } from "./failure.ts";
import type { AzureSettings } from "./settings.ts";

/** What a call of a store needs to be allowed. */
const ACTIONS: Readonly<Record<string, { data: string; sas: string }>> = {
  put: { data: "blobs/write", sas: 'create ("c") and write ("w")' },
  get: { data: "blobs/read", sas: 'read ("r")' },
  head: { data: "blobs/read", sas: 'read ("r")' },
  list: { data: "blobs/read", sas: 'list ("l")' },
  probe: { data: "blobs/read", sas: 'list ("l")' },
  delete: { data: "blobs/delete", sas: 'delete ("d")' },
};
const DATA_ACTIONS = "Microsoft.Storage/storageAccounts/blobServices/containers/";

/** The service refuses what is signed for a time further away than 15 minutes; a little less is suspicious already. */
const SKEW_MS_MAX = 14 * 60_000;

/** What to do. */
export function adviceFor(operation: string, failure: RequestFailure, settings: AzureSettings): Advice {
  const { status, code } = failure;
  const known = byCode(operation, failure, settings);
  if (known !== undefined) return known;
  if (status === 401 || status === 403) return { kind: "permission", remedy: permissionRemedy(operation, settings) };
  if (status === 404) {
    const known = `what answers at ${hostOf(settings)} knows no such account or container`;
    return { kind: "storage", remedy: `check the account's name "${settings.account}" and the endpoint: ${known}` };
  }
  if (status === 400) return { kind: "storage", remedy: refusedRemedy(settings) };
  if (status !== undefined && failure.retryable) {
    return { kind: "storage", remedy: "the service is busy or failing; try again later, or with less at once" };
  }
  if (status !== undefined || code === undefined) return { kind: "storage" };
  return { kind: "storage", remedy: "the connection failed; check the network between here and the service" };
}

function byCode(operation: string, failure: RequestFailure, settings: AzureSettings): Advice | undefined {
  const { account, container, auth } = settings;
  switch (failure.code) {
    case "ContainerNotFound":
      return {
        kind: "storage",
        reason: "the container does not exist",
        remedy:
          `make it (az storage container create --account-name ${account} --name ${container} --auth-mode login), ` +
          "or check its name",
      };
    case "ContainerBeingDeleted":
      return { kind: "storage", remedy: "the container is being deleted; wait for half a minute, or use another one" };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return {
        kind: "storage",
        reason: `${hostOf(settings)} can't be found`,
        remedy: `check the account's name "${account}", the endpoint, and the network's name service`,
      };
    case "ECONNREFUSED":
      return {
        kind: "storage",
        reason: `nothing listens at ${hostOf(settings)}`,
        remedy: "check the endpoint and its port",
      };
    case "DEADLINE":
      return {
        kind: "storage",
        remedy:
          'the network is too slow for that much at once: raise option "deadline", or lower "blockBytes" or "concurrency"',
      };
    case REPLACED:
      return { kind: "storage", remedy: "read it again" };
    case NO_TOKEN:
      return {
        kind: "permission",
        remedy:
          "no credential gave a token: set AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or a file of a federated " +
          'token, give this machine a managed identity, or run az login; or give option "accountKey" or "sasToken"',
      };
    case NO_CLIENT:
      return {
        kind: "storage",
        reason: "its client is not installed",
        remedy: "install @azure/storage-blob, and @azure/identity unless a secret is given",
      };
    case FORBIDDEN:
      return {
        kind: "permission",
        remedy: `the runtime forbids it: Deno needs --allow-net=${hostOf(settings)} --allow-env --allow-sys=osRelease` +
          (auth.kind === "default" ? ", and what the credentials need" : "") + "; Node with --permission --allow-net",
      };
    case "AuthenticationFailed":
    case "InvalidAuthenticationInfo":
    case "NoAuthenticationInformation":
      return {
        kind: "permission",
        reason: "the service does not accept who asks",
        remedy: authRemedy(failure, settings),
      };
    case "AuthorizationPermissionMismatch":
    case "InsufficientAccountPermissions":
      return { kind: "permission", remedy: permissionRemedy(operation, settings) };
    case "AuthorizationFailure":
    case "AuthorizationSourceIPMismatch":
      return {
        kind: "permission",
        remedy:
          `${authRemedy(failure, settings)}; or the account's network rules, or the signature's addresses, leave ` +
          "this machine out",
      };
    case "AuthorizationResourceTypeMismatch":
    case "AuthorizationServiceMismatch":
      return {
        kind: "permission",
        remedy: 'the signature must be for the service "b" and the resource types "c" and "o"',
      };
    case "AuthorizationProtocolMismatch":
      return { kind: "permission", remedy: "the signature is for https: only; use an endpoint that has it" };
    case "KeyBasedAuthenticationNotPermitted":
      return {
        kind: "permission",
        remedy:
          'the account takes no keys; leave option "accountKey" out to use an identity, or give option "credential"',
      };
    case "AccountIsDisabled":
      return { kind: "permission", remedy: "the account is disabled; look at it, and at the subscription" };
    case "BlobImmutableDueToPolicy":
      return {
        kind: "storage",
        reason: "it is kept unchanged by a policy",
        remedy: "wait until its time is over; keep backups for longer than it, or use version-level immutability",
      };
    case "SnapshotsPresent":
      return { kind: "storage", remedy: "another program made snapshots of it; delete them first" };
    case "LeaseIdMissing":
    case "LeaseAlreadyPresent":
      return {
        kind: "storage",
        reason: "another program holds a lease on it",
        remedy: "break it (az storage blob lease break), and find out who made it",
      };
    case "BlobArchived":
    case "BlobBeingRehydrated":
      return { kind: "storage", remedy: "it lies in the archive; rehydrate it, and have no rule move backups there" };
    case "InvalidBlobType":
      return { kind: "storage", remedy: "another program put an append or page blob there; remove it" };
    case "InvalidBlockList":
      return {
        kind: "storage",
        reason: "another writer wrote this key meanwhile, which drops the blocks that were sent",
        remedy: "put it again",
      };
    case "InvalidBlobOrBlock":
      return { kind: "storage", remedy: "another program left blocks of its own there; they go away after a week" };
    case "BlockCountExceedsLimit":
      return { kind: "storage", reason: "the object is too large for its blocks", remedy: 'raise option "blockBytes"' };
    case "Md5Mismatch":
      return {
        kind: "storage",
        reason: "the bytes arrived damaged",
        remedy: "check this machine's memory and network",
      };
    default:
      return undefined;
  }
}

function authRemedy(failure: RequestFailure, { auth, account }: AzureSettings): string {
  const skew = failure instanceof AzureFailure ? failure.skewMs : undefined;
  if (skew !== undefined && Math.abs(skew) > SKEW_MS_MAX) {
    const minutes = Math.round(Math.abs(skew) / 60_000);
    return `this machine's clock is ${minutes} minutes ${skew > 0 ? "ahead of" : "behind"} the service's; set it`;
  }
  switch (auth.kind) {
    case "key":
      return `check that the key is one of account "${account}" and was not rotated, and this machine's clock`;
    case "sas":
      return "the signature is wrong, not yet valid or no longer; make a new one, and check this machine's clock";
    default:
      return `the token is not for account "${account}"; check tenant and subscription`;
  }
}

function permissionRemedy(operation: string, { auth, account, container }: AzureSettings): string {
  const { data, sas } = ACTIONS[operation] ?? ACTIONS["get"]!;
  if (auth.kind === "sas") return `the signature lacks the permission ${sas}`;
  if (auth.kind === "key") return `check the account's settings; ${operation} needs ${DATA_ACTIONS}${data}`;
  return `the identity lacks the data action ${DATA_ACTIONS}${data} on container "${container}" of account "${account}"; ` +
    "give it a role that has it, and wait some minutes";
}

function refusedRemedy({ accessTier, encryptionScope, immutability }: AzureSettings): string {
  const set = Object.entries({ accessTier, encryptionScope, immutability }).filter(([, value]) => value !== undefined)
    .map(([name]) => `"${name}"`);
  if (set.length === 0) {
    return "the service refuses the request; does it know the version of its protocol that is used here?";
  }
  return `check that the account allows what ${set.length === 1 ? "option" : "options"} ${set.join(", ")} asks for`;
}

function hostOf({ endpoint }: AzureSettings): string {
  return new URL(endpoint).host;
}
