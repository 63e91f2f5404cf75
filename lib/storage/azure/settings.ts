/**
 * Where an Azure store lies and how it is spoken to: the address and the options of `azure`, checked.
 *
 * ```
 * azure://ACCOUNT/CONTAINER[/PREFIX]
 * https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX][?SAS]        also the other clouds' names
 * ```
 *
 * No message of this file shows a value of an option, or what follows a `?`: there are secrets.
 *
 * @module
 */
import { type Duration, durationOption } from "../../base/duration.ts";
import {
  type CheckedOptions,
  checkOptions,
  choiceOption,
  describeValue,
  numberOption,
  stringOption,
  timeOption,
} from "../../base/options.ts";
import { isKeyPart } from "../object_key.ts";

/** What gives tokens of Microsoft Entra ID: any credential of `@azure/identity`, or an object like them. */
export interface AzureTokenCredential {
  /** A token for these scopes. */
  getToken(
    scopes: string | string[],
    options?: Record<string, unknown>,
  ): Promise<{ token: string; expiresOnTimestamp: number } | null>;
}

/** How long objects can't be changed or removed. The container must have been made with version-level immutability. */
export interface AzureImmutability {
  /** `"Unlocked"`: who may can shorten or lift it; `"Locked"`: nobody can. */
  mode: "Unlocked" | "Locked";
  /** Until this moment; a Date or ms since the Unix epoch. Either this or `for`. */
  retainUntil?: Date | number | undefined;
  /** So long from each object's put; ms, or `"30d"`. */
  for?: Duration | undefined;
}

/** Options of `azure`. */
export interface AzureOptions {
  /** A key of the account, in base64. One of `accountKey`, `connectionString`, `sasToken` and `credential`, or none. */
  accountKey?: string | undefined;
  /** The account's connection string; its account must be the address's. */
  connectionString?: string | undefined;
  /** A shared access signature, with or without its `?`. It may also follow an `https:` address. */
  sasToken?: string | undefined;
  /** Gives tokens. Default, where no secret is given: `DefaultAzureCredential` of `@azure/identity`. */
  credential?: AzureTokenCredential | undefined;
  /** Where the account answers, with the account's name in the path where it belongs there: `"http://127.0.0.1:10000/devstoreaccount1"`. */
  endpoint?: string | URL | undefined;
  /** Where objects lie. Default: the account's. There is no `"Archive"`: what lies there can't be read. */
  accessTier?: "Hot" | "Cool" | "Cold" | undefined;
  /** The encryption scope that objects are written under. */
  encryptionScope?: string | undefined;
  /** Keeps what is written from being changed or removed. */
  immutability?: AzureImmutability | undefined;
  /** How long one request may take, its body included. Default: `"60s"`. */
  deadline?: Duration | undefined;
  /** How often a request is made before it counts as failed. Default: 5. */
  attempts?: number | undefined;
  /** Bodies longer than this are sent in blocks of this size. Default: 8 MiB, enough for objects of 390 GiB. */
  blockBytes?: number | undefined;
  /** Blocks sent, or ranges of 4 MiB fetched, at once for one object. Default: 4. Memory: as many blocks. */
  concurrency?: number | undefined;
}

/** How requests are authorized. */
export type AzureAuth =
  | { kind: "key"; accountKey: string }
  | { kind: "sas"; token: string }
  | { kind: "credential"; credential: AzureTokenCredential }
  | { kind: "default" };

/** Address and options, settled. */
export interface AzureSettings {
  /** The account's name. */
  account: string;
  /** The container's. */
  container: string;
  /** What every blob's name begins with: `""`, or parts with a slash behind each. */
  prefix: string;
  /** Where the account answers, without a slash at the end. */
  endpoint: string;
  /** How requests are authorized. */
  auth: AzureAuth;
  /** See `AzureOptions`. */
  accessTier: "Hot" | "Cool" | "Cold" | undefined;
  /** See `AzureOptions`. */
  encryptionScope: string | undefined;
  /** How long, or until when; ms. */
  immutability:
    | { mode: "Unlocked" | "Locked"; ms: number }
    | { mode: "Unlocked" | "Locked"; until: number }
    | undefined;
  /** ms. */
  deadlineMs: number;
  /** See `AzureOptions`. */
  attempts: number;
  /** See `AzureOptions`. */
  blockBytes: number;
  /** See `AzureOptions`. */
  concurrency: number;
}

type Tier = "Hot" | "Cool" | "Cold";

const NAMES: readonly (keyof AzureOptions)[] = [
  "accountKey",
  "connectionString",
  "sasToken",
  "credential",
  "endpoint",
  "accessTier",
  "encryptionScope",
  "immutability",
  "deadline",
  "attempts",
  "blockBytes",
  "concurrency",
];

const MiB = 2 ** 20;
/** Names of blobs have 1024 characters at most, keys 512. */
const PREFIX_LENGTH_MAX = 500;
const ACCOUNT = /^[a-z0-9]{3,24}$/;
const CONTAINER = /^(?:\$root|\$web|[a-z0-9](?:-?[a-z0-9]){2,62})$/;
const SERVICE_HOST = /^([a-z0-9]{3,24})(?:-secondary)?\.(?:z\d+\.)?blob\.[a-z0-9.-]+$/;
const EXAMPLE = '"azure://account/container/prefix"';

/** Reads address and options of `azure`; `TypeError` or `RangeError` for what is wrong with them. */
export function azureSettings(address: string | URL, options: AzureOptions | undefined): AzureSettings {
  const call = "azure";
  const checked = checkOptions(call, options, NAMES);
  const place = readAddress(call, address);
  const { auth, account, endpoint } = readAuth(call, checked, place);
  return {
    account,
    container: place.container,
    prefix: place.prefix,
    endpoint,
    auth,
    accessTier: choiceOption<Tier, undefined>(call, checked, "accessTier", undefined, ["Hot", "Cool", "Cold"]),
    encryptionScope: stringOption(call, checked, "encryptionScope", undefined),
    immutability: immutabilityOption(checked["immutability"]),
    deadlineMs: durationOption(call, checked, "deadline", 60_000, 1),
    attempts: numberOption(call, checked, "attempts", 5, { min: 1, max: 20 }),
    // The service takes blocks of up to 4000 MiB; they are held in memory.
    blockBytes: numberOption(call, checked, "blockBytes", 8 * MiB, { min: 64 * 1024, max: 256 * MiB }),
    concurrency: numberOption(call, checked, "concurrency", 4, { min: 1, max: 64 }),
  };
}

function immutabilityOption(given: unknown): AzureSettings["immutability"] {
  if (given === undefined) return undefined;
  const call = "azure, immutability";
  const checked = checkOptions(call, given, ["mode", "retainUntil", "for"]);
  const mode = choiceOption<"Unlocked" | "Locked", undefined>(call, checked, "mode", undefined, ["Unlocked", "Locked"]);
  if (mode === undefined) throw new TypeError(`${call}: option "mode" must be "Unlocked" or "Locked"`);
  const until = timeOption(call, checked, "retainUntil", undefined);
  const ms = durationOption(call, checked, "for", undefined, 1000);
  if (until !== undefined && ms === undefined) return { mode, until };
  if (ms !== undefined && until === undefined) return { mode, ms };
  throw new TypeError(`${call}: give one of options "retainUntil" and "for"`);
}

interface Place {
  account: string;
  container: string;
  prefix: string;
  endpoint: string;
  sas: string | undefined;
}

function readAddress(call: string, address: string | URL): Place {
  const text = address instanceof URL ? address.href : address;
  if (typeof text !== "string") {
    throw new TypeError(`${call}: address must be a string or a URL such as ${EXAMPLE}, not ${describeValue(text)}`);
  }
  const [plain = "", query] = text.split("?", 2);
  const wrong = (why: string): TypeError =>
    new TypeError(`${call}: address ${describeValue(plain.replace(/\/\/[^/@]*@/, "//"))} ${why}; write ${EXAMPLE}`);
  const [, scheme = "", host = "", path = ""] = /^(azure|https):\/\/([^/]*)\/?(.*)$/.exec(plain) ?? [];
  if (scheme === "") throw wrong("has no scheme azure: or https:");
  let account = host;
  if (scheme === "https") {
    account = SERVICE_HOST.exec(host)?.[1] ?? "";
    if (account === "") throw wrong('is no host of Azure Blob Storage; for another one give option "endpoint"');
  } else if (query !== undefined) throw wrong('must not have a "?"; give a signature as option "sasToken"');
  if (!ACCOUNT.test(account)) throw wrong("names no account: 3 to 24 of a-z and 0-9");
  const [container = "", ...parts] = path.replace(/\/$/, "").split("/");
  if (!CONTAINER.test(container) || container.length > 63) {
    throw wrong("names no container: 3 to 63 of a-z, 0-9 and single -");
  }
  if (!parts.every(isKeyPart)) {
    throw wrong("has a prefix that is none: parts of A-Z a-z 0-9 . _ - with single slashes between");
  }
  const prefix = parts.map((part) => `${part}/`).join("");
  if (prefix.length > PREFIX_LENGTH_MAX) throw wrong(`has a prefix of more than ${PREFIX_LENGTH_MAX} characters`);
  const endpoint = `https://${scheme === "https" ? host : `${account}.blob.core.windows.net`}`;
  return { account, container, prefix, endpoint, sas: query === "" ? undefined : query };
}

/** What authorizes, and where the account answers. */
function readAuth(
  call: string,
  checked: CheckedOptions,
  place: Place,
): { auth: AzureAuth; account: string; endpoint: string } {
  const given = ["accountKey", "connectionString", "sasToken", "credential"].filter((name) =>
    checked[name] !== undefined
  );
  if (place.sas !== undefined) given.push("the address's signature");
  if (given.length > 1) {
    throw new TypeError(
      `${call}: give one of options "accountKey", "connectionString", "sasToken", "credential", not ${
        given.join(" and ")
      }`,
    );
  }
  const { account } = place;
  const own = endpointOption(call, checked);
  const endpoint = own ?? place.endpoint;
  const connection = secretOption(call, checked, "connectionString");
  if (connection !== undefined) return readConnection(call, connection, account, own ?? undefined, endpoint);
  const key = secretOption(call, checked, "accountKey");
  if (key !== undefined) {
    return { auth: { kind: "key", accountKey: accountKey(call, "accountKey", key) }, account, endpoint };
  }
  const sas = secretOption(call, checked, "sasToken") ?? place.sas;
  if (sas !== undefined) return { auth: { kind: "sas", token: signature(call, sas) }, account, endpoint };
  const credential = checked["credential"];
  if (credential === undefined) return { auth: { kind: "default" }, account, endpoint };
  if (typeof (credential as Partial<AzureTokenCredential> | null)?.getToken !== "function") {
    throw new TypeError(`${call}: option "credential" must have a method getToken, as those of @azure/identity have`);
  }
  return { auth: { kind: "credential", credential: credential as AzureTokenCredential }, account, endpoint };
}

function readConnection(
  call: string,
  text: string,
  account: string,
  own: string | undefined,
  standard: string,
): { auth: AzureAuth; account: string; endpoint: string } {
  const parts = new Map<string, string>();
  for (const part of text.split(";")) {
    const at = part.indexOf("=");
    if (at > 0) parts.set(part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim());
  }
  const wrong = (why: string): TypeError => new TypeError(`${call}: option "connectionString" ${why}`);
  const name = parts.get("accountname");
  if (name !== undefined && name !== account) throw wrong("is of another account than the address");
  const suffix = parts.get("endpointsuffix");
  const protocol = parts.get("defaultendpointsprotocol") ?? "https";
  const endpoint = own ?? parts.get("blobendpoint")?.replace(/\/$/, "") ??
    (suffix === undefined ? standard : `${protocol}://${account}.blob.${suffix}`);
  const key = parts.get("accountkey");
  if (key !== undefined) {
    return { auth: { kind: "key", accountKey: accountKey(call, "connectionString", key) }, account, endpoint };
  }
  const sas = parts.get("sharedaccesssignature");
  if (sas === undefined) throw wrong("holds no AccountKey and no SharedAccessSignature");
  return { auth: { kind: "sas", token: signature(call, sas) }, account, endpoint };
}

/** A string whose value no message shows. */
function secretOption(call: string, checked: CheckedOptions, name: string): string | undefined {
  const value = checked[name];
  if (value === undefined) return undefined;
  if (typeof value === "string" && value !== "") return value;
  throw new TypeError(`${call}: option "${name}" must be a string that is not empty`);
}

function accountKey(call: string, name: string, key: string): string {
  if (/^[A-Za-z0-9+/]+={0,2}$/.test(key) && key.length % 4 === 0) return key;
  throw new TypeError(`${call}: option "${name}" must hold an account key in base64; copy it again`);
}

function signature(call: string, sas: string): string {
  const token = sas.replace(/^\?/, "");
  if (/(?:^|&)sig=[^&]/.test(token)) return token;
  throw new TypeError(`${call}: a shared access signature must have a parameter "sig"; copy it again, whole`);
}

function endpointOption(call: string, checked: CheckedOptions): string | undefined {
  const value = checked["endpoint"];
  if (value === undefined) return undefined;
  let url: URL;
  try {
    url = new URL(value as string);
  } catch {
    throw new TypeError(`${call}: option "endpoint" must be a URL such as "https://account.blob.core.windows.net"`);
  }
  const plain = url.search === "" && url.hash === "" && url.username === "" && url.password === "";
  if (!plain || !/^https?:$/.test(url.protocol)) {
    throw new TypeError(`${call}: option "endpoint" must be an http: or https: URL without a user and without a "?"`);
  }
  return url.href.replace(/\/$/, "");
}
