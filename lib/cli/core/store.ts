/**
 * Object stores by their addresses. The client of a store is loaded when its address is given, and not before.
 *
 * @module
 */
import type { ObjectStore } from "../../storage/object_store.ts";
import { UsageError } from "./exit_code.ts";
import type { CliIo } from "../io.ts";

const SCHEMES = "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX and azure://ACCOUNT/CONTAINER/PREFIX";

/** Options that would be secrets on the command line, and where they are taken from instead. */
export const SECRETS: Readonly<Record<string, string>> = {
  credentials: "the environment, a profile or the machine's role",
  accountKey: "AZURE_STORAGE_KEY",
  connectionString: "AZURE_STORAGE_CONNECTION_STRING",
  sasToken: "AZURE_STORAGE_SAS_TOKEN",
  credential: "the machine's identity",
};

/** Whether a word is an address and not a path. */
export function isAddress(place: string): boolean {
  return /^[A-Za-z][A-Za-z0-9+.-]+:\/\//.test(place) && !/^file:/i.test(place);
}

/** The store at an address, with the options of its kind as `name=value`. */
export async function storeAt(io: CliIo, address: string, settings: readonly string[]): Promise<ObjectStore> {
  const scheme = address.slice(0, address.indexOf(":")).toLowerCase();
  const options = storeOptions(settings);
  if (scheme === "s3") {
    const { s3 } = await import("../../adapters/s3.ts");
    return s3(address, options);
  }
  if (scheme === "gs") {
    const { gcs } = await import("../../adapters/gcs.ts");
    const [accessId, secret] = [io.env("GCS_ACCESS_ID"), io.env("GCS_SECRET")];
    return gcs(address, accessId && secret ? { ...options, credentials: { accessId, secret } } : options);
  }
  const isBlob = scheme === "https" && /^https:\/\/[^/]+\.blob\./i.test(address);
  if (scheme !== "azure" && !isBlob) throw new UsageError(`${scheme}:// is no place for backups; there are ${SCHEMES}`);
  if (address.includes("?")) {
    throw new UsageError("what follows the ? of the address is a secret; set AZURE_STORAGE_SAS_TOKEN to it instead");
  }
  const { azure } = await import("../../adapters/azure.ts");
  return azure(address, { ...options, ...azureSecret(io) });
}

/** The names that Azure's own command line has for them. */
function azureSecret(io: CliIo): Record<string, string> {
  const found = [
    ["accountKey", io.env("AZURE_STORAGE_KEY")],
    ["connectionString", io.env("AZURE_STORAGE_CONNECTION_STRING")],
    ["sasToken", io.env("AZURE_STORAGE_SAS_TOKEN")],
  ].find(([, value]) => value);
  return found === undefined ? {} : { [found[0]!]: found[1]! };
}

/** `["region=eu", "objectLock.for=30d"]` -> `{ region: "eu", objectLock: { for: "30d" } }`; the store checks the names. */
export function storeOptions(settings: readonly string[]): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const setting of settings) {
    const [, path, text] = /^([A-Za-z][A-Za-z0-9.]*)=(.*)$/s.exec(setting) ?? [];
    if (path === undefined || text === undefined) {
      throw new UsageError(`--store takes NAME=VALUE such as region=eu-central-1, not ${JSON.stringify(setting)}`);
    }
    const names = path.split(".");
    const instead = Object.hasOwn(SECRETS, names[0]!) ? SECRETS[names[0]!] : undefined;
    if (instead !== undefined) {
      throw new UsageError(`--store ${names[0]} would be a secret in the open; it comes from ${instead}`);
    }
    let at = options;
    for (const name of names.slice(0, -1)) {
      at = (Object.hasOwn(at, name) ? at[name] : at[name] = {}) as Record<string, unknown>;
    }
    at[names.at(-1)!] = text === "true"
      ? true
      : text === "false"
      ? false
      : /^\d{1,15}$/.test(text)
      ? Number(text)
      : text;
  }
  return options;
}
