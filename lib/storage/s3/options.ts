/**
 * The options of the S3 kind of store, checked.
 *
 * @module
 */
import { checkOptions, describeValue } from "../../base/options.ts";
import { booleanOption, choiceOption, numberOption, stringOption, timeOption } from "../../base/options.ts";
import { type Duration, durationOption } from "../../base/duration.ts";

/** Keys of an account, or of a session of it. */
export interface S3Credentials {
  /** The access key's id. */
  accessKeyId: string;
  /** The secret of that key. */
  secretAccessKey: string;
  /** For keys that a session was given. */
  sessionToken?: string | undefined;
  /** When the keys end; a provider is asked again before that. */
  expiration?: Date | undefined;
}

/** Gives keys whenever they are needed; those of `@aws-sdk/credential-providers` fit. */
export type S3CredentialsProvider = () => Promise<S3Credentials>;

/** How long objects can't be changed or removed, by anybody. The bucket must have been made with object lock. */
export interface S3ObjectLock {
  /** `"GOVERNANCE"`: a special permission lifts it; `"COMPLIANCE"`: nothing does. */
  mode: "GOVERNANCE" | "COMPLIANCE";
  /** Until this moment; a Date or ms since the Unix epoch. Either this or `for`. */
  retainUntil?: Date | number | undefined;
  /** So long from each object's put; ms, or `"30d"`. */
  for?: Duration | undefined;
}

/** What a service is known to do, for those that must not be asked: see `S3Options.capabilities`. */
export interface S3Conditions {
  /** It honours `If-None-Match: *`. */
  ifAbsent: boolean;
  /** It honours `If-Match`. */
  ifMatch: boolean;
  /** It wants the tag in `If-Match` without quotes, as Ceph does; false unless given. */
  bareTags?: boolean | undefined;
  /** It refuses what does not match its `Content-MD5`; false unless given, and what is put is read back then. */
  checksums?: boolean | undefined;
}

/** Options of `s3`. */
export interface S3Options {
  /** The bucket's region. Unless given: `AWS_REGION`, then the profile's; with an `endpoint`, `"us-east-1"`. */
  region?: string | undefined;
  /** The service's address where it is not AWS: `"https://minio.example.com:9000"`. */
  endpoint?: string | URL | undefined;
  /** The bucket's name in the path, not in the host's name; true unless told otherwise where there is an `endpoint`. */
  pathStyle?: boolean | undefined;
  /** Keys or their provider. Unless given, the chain of the AWS SDK: environment, profile, SSO, container and instance roles. */
  credentials?: S3Credentials | S3CredentialsProvider | undefined;
  /** How the service encrypts: `"AES256"`, `"aws:kms"` or `"aws:kms:dsse"`. */
  serverSideEncryption?: "AES256" | "aws:kms" | "aws:kms:dsse" | undefined;
  /** The key for `"aws:kms"`, where it is not the account's own. */
  kmsKeyId?: string | undefined;
  /** Such as `"STANDARD_IA"`. Not one whose objects must be thawed before they are read. */
  storageClass?: string | undefined;
  /** Keeps what is written from being changed or removed. */
  objectLock?: S3ObjectLock | undefined;
  /**
   * Reads a bucket with versioning as it was at this moment, by the service's clock: a Date or ms since the Unix epoch. Nothing
   * can be written; open repositories with `readOnly`.
   */
  asOf?: Date | number | undefined;
  /**
   * The longest time of one attempt of a request, its body included; ms, or `"30s"`; 60 s unless given. A body of more than
   * `partBytes` that goes by one request, as a condition may want, has as long for each `partBytes` of it.
   */
  deadline?: Duration | undefined;
  /** How often a request is made at most when it fails in a way that may pass; 4 unless given. */
  attempts?: number | undefined;
  /** The size of a part of an upload: 5 MiB to 512 MiB, 8 MiB unless given. A stream has at most 10,000 of them: 78 GiB. */
  partBytes?: number | undefined;
  /** How many parts of one object are on their way at once, up and down; 3 unless given. */
  concurrency?: number | undefined;
  /** What the service can do. Unless given, it is AWS and known, or another `endpoint` and asked, by a few objects put and removed. */
  capabilities?: S3Conditions | undefined;
}

/** `S3Options`, checked, and where the objects lie. */
export interface S3Settings {
  bucket: string;
  /** Empty, or ending with a slash. */
  prefix: string;
  region: string | undefined;
  endpoint: string | undefined;
  pathStyle: boolean;
  credentials: S3Credentials | S3CredentialsProvider | undefined;
  serverSideEncryption: "AES256" | "aws:kms" | "aws:kms:dsse" | undefined;
  kmsKeyId: string | undefined;
  storageClass: string | undefined;
  lock: { mode: "GOVERNANCE" | "COMPLIANCE"; until: (now: number) => number } | undefined;
  asOf: number | undefined;
  deadlineMs: number;
  attempts: number;
  partBytes: number;
  concurrency: number;
  conditions: (S3Conditions & { checksums: boolean }) | undefined;
}

const MIB = 2 ** 20;

/** What the services take at most as a body's number of parts. */
export const PARTS_MAX = 10_000;

const NAMES = [
  ...["region", "endpoint", "pathStyle", "credentials", "serverSideEncryption", "kmsKeyId", "storageClass"],
  ...["objectLock", "asOf", "deadline", "attempts", "partBytes", "concurrency", "capabilities"],
] as const;

/** The longest prefix: a key of an object has 1024 bytes at most, and ours 512. */
const PREFIX_LENGTH_MAX = 400;
const PREFIX_PART = /^[A-Za-z0-9._=@+,-]+$/;

/** `scheme://bucket/prefix`. */
export function readPlace(call: string, scheme: string, place: unknown): { bucket: string; prefix: string } {
  const text = place instanceof URL ? place.href : place;
  const example = `"${scheme}://bucket/prefix"`;
  if (typeof text !== "string") throw new TypeError(`${call}: place must be ${example}, not ${describeValue(place)}`);
  const start = `${scheme}://`;
  // Not shown: what was taken for an address may hold a password.
  if (!text.startsWith(start)) throw new TypeError(`${call}: place must look like ${example}`);
  const [bucket = "", ...parts] = text.slice(start.length).replace(/\/$/, "").split("/");
  if (!/^[a-z0-9A-Z][a-z0-9A-Z._-]{1,220}[a-z0-9A-Z]$/.test(bucket)) {
    throw new TypeError(`${call}: place must look like ${example}; the bucket's name has letters, digits, "." and "-"`);
  }
  for (const part of parts) {
    if (PREFIX_PART.test(part) && part !== "." && part !== "..") continue;
    throw new TypeError(
      `${call}: the prefix in place must be parts of A-Z a-z 0-9 . _ - = @ + , with single slashes between`,
    );
  }
  const prefix = parts.map((part) => `${part}/`).join("");
  if (prefix.length > PREFIX_LENGTH_MAX) {
    throw new TypeError(`${call}: the prefix in place must have at most ${PREFIX_LENGTH_MAX} characters`);
  }
  return { bucket, prefix };
}

/** Checks the options of `s3`. */
export function checkS3Options(call: string, scheme: string, place: unknown, options: unknown): S3Settings {
  const { bucket, prefix } = readPlace(call, scheme, place);
  const checked = checkOptions(call, options, NAMES);
  const endpoint = checkEndpoint(call, checked["endpoint"]);
  const kmsKeyId = stringOption(call, checked, "kmsKeyId", undefined);
  const encryption = choiceOption(
    call,
    checked,
    "serverSideEncryption",
    undefined,
    ["AES256", "aws:kms", "aws:kms:dsse"],
  );
  if (kmsKeyId !== undefined && !encryption?.startsWith("aws:kms")) {
    throw new TypeError(`${call}: option "kmsKeyId" needs option "serverSideEncryption" to be "aws:kms"`);
  }
  return {
    bucket,
    prefix,
    region: stringOption(call, checked, "region", endpoint === undefined ? undefined : "us-east-1"),
    endpoint,
    pathStyle: booleanOption(call, checked, "pathStyle", endpoint !== undefined),
    credentials: checkCredentials(call, checked["credentials"]),
    serverSideEncryption: encryption,
    kmsKeyId,
    storageClass: stringOption(call, checked, "storageClass", undefined),
    lock: checkLock(call, checked["objectLock"]),
    asOf: timeOption(call, checked, "asOf", undefined),
    deadlineMs: durationOption(call, checked, "deadline", 60_000, 100),
    attempts: numberOption(call, checked, "attempts", 4, { min: 1, max: 20 }),
    partBytes: numberOption(call, checked, "partBytes", 8 * MIB, { min: 5 * MIB, max: 512 * MIB }),
    concurrency: numberOption(call, checked, "concurrency", 3, { min: 1, max: 64 }),
    conditions: checkConditions(call, checked["capabilities"]),
  };
}

/** An address without a user, a query or anything else that may be secret. */
export function checkEndpoint(call: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  const wrong = `${call}: option "endpoint" must be an http: or https: URL without user, query and fragment`;
  if (typeof value !== "string" && !(value instanceof URL)) throw new TypeError(wrong);
  const url = URL.parse(value);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) throw new TypeError(wrong);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") throw new TypeError(wrong);
  return url.href.replace(/\/$/, "");
}

function checkCredentials(call: string, value: unknown): S3Credentials | S3CredentialsProvider | undefined {
  if (value === undefined || typeof value === "function") return value as S3CredentialsProvider | undefined;
  const { accessKeyId, secretAccessKey, sessionToken } = (value ?? {}) as Partial<S3Credentials>;
  const fits = [accessKeyId, secretAccessKey].every((each) => typeof each === "string" && each !== "");
  if (!fits || (sessionToken !== undefined && typeof sessionToken !== "string")) {
    // Never the value.
    throw new TypeError(
      `${call}: option "credentials" must be { accessKeyId, secretAccessKey, sessionToken? } or a function that resolves to it`,
    );
  }
  return { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey!, sessionToken };
}

function checkLock(call: string, value: unknown): S3Settings["lock"] {
  if (value === undefined) return undefined;
  const where = `${call}: objectLock`;
  const checked = checkOptions(where, value, ["mode", "retainUntil", "for"]);
  const mode = choiceOption(where, checked, "mode", undefined, ["GOVERNANCE", "COMPLIANCE"]);
  const until = timeOption(where, checked, "retainUntil", undefined);
  const ms = durationOption(where, checked, "for", undefined, 1000);
  if (mode === undefined || (until === undefined) === (ms === undefined)) {
    throw new TypeError(`${call}: option "objectLock" must have a mode, and either retainUntil or for`);
  }
  return { mode, until: (now) => until ?? now + ms! };
}

function checkConditions(call: string, value: unknown): S3Settings["conditions"] {
  if (value === undefined) return undefined;
  const where = `${call}: capabilities`;
  const checked = checkOptions(where, value, ["ifAbsent", "ifMatch", "bareTags", "checksums"]);
  return {
    ifAbsent: booleanOption(where, checked, "ifAbsent", false),
    ifMatch: booleanOption(where, checked, "ifMatch", false),
    bareTags: booleanOption(where, checked, "bareTags", false),
    checksums: booleanOption(where, checked, "checksums", false),
  };
}
