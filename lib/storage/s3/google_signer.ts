/**
 * Signing requests to Google Cloud Storage: with HMAC keys (`GOOG4-HMAC-SHA256`), or by an OAuth token.
 *
 * The SDK's headers that begin with `x-amz-` become Google's, since one request must not have both kinds; what only AWS
 * reads is left out. Signed are the host, the checksum and what begins with `x-goog-`: others may be changed on the way.
 *
 * @module
 */
import { createHash, createHmac } from "node:crypto";

/** A request of the SDK, as far as signing needs it. */
export interface SignableRequest {
  method: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
  body?: unknown;
}

/** HMAC keys of a service account or user. */
export interface HmacKeys {
  accessId: string;
  secret: string;
}

/** What Google calls it. */
const RENAMED: Readonly<Record<string, string>> = {
  "x-amz-storage-class": "x-goog-storage-class",
  "x-amz-object-lock-mode": "x-goog-object-lock-mode",
  "x-amz-object-lock-retain-until-date": "x-goog-object-lock-retain-until-date",
  "x-amz-server-side-encryption-aws-kms-key-id": "x-goog-encryption-kms-key-name",
};

/** Renames the headers of a request in place. */
export function googleHeaders(request: SignableRequest): void {
  for (const [name, value] of Object.entries(request.headers)) {
    const lower = name.toLowerCase();
    if (!/^(?:x-amz-|amz-sdk-|authorization$)/.test(lower)) continue;
    delete request.headers[name];
    if (lower.startsWith("x-amz-meta-")) request.headers[`x-goog-meta-${lower.slice(11)}`] = value;
    else if (RENAMED[lower] !== undefined) request.headers[RENAMED[lower]] = value;
  }
}

/** Signs with HMAC keys, at `now`, ms since the Unix epoch. */
export function signWithKeys(request: SignableRequest, { accessId, secret }: HmacKeys, now: number): void {
  const { headers } = request;
  const date = new Date(now).toISOString().replace(/[-:]|\.\d{3}/g, "");
  const hash = payloadHash(request.body);
  headers["x-goog-date"] = date;
  headers["x-goog-content-sha256"] = hash;
  headers["host"] ??= request.port === undefined ? request.hostname : `${request.hostname}:${request.port}`;
  const signed = Object.keys(headers).filter((name) => /^(?:host|content-md5|x-goog-.*)$/i.test(name))
    .map((name): [string, string] => [name.toLowerCase(), headers[name]!.trim().replace(/ +/g, " ")])
    .sort(([a], [b]) => a < b ? -1 : 1);
  const names = signed.map(([name]) => name).join(";");
  const canonical = [
    request.method,
    request.path.split("/").map((part) => escape(unescape(part))).join("/"),
    canonicalQuery(request.query ?? {}),
    ...signed.map(([name, value]) => `${name}:${value}`),
    "",
    names,
    hash,
  ].join("\n");
  const scope = `${date.slice(0, 8)}/auto/storage/goog4_request`;
  const toSign = ["GOOG4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  let key: string | Uint8Array = `GOOG4${secret}`;
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update(toSign).digest("hex");
  headers["authorization"] =
    `GOOG4-HMAC-SHA256 Credential=${accessId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
}

function payloadHash(body: unknown): string {
  if (body === undefined || body === null) return sha256("");
  return typeof body === "string" || body instanceof Uint8Array ? sha256(body) : "UNSIGNED-PAYLOAD";
}

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");

const unescape = (part: string): string => decodeURIComponent(part);

function escape(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonicalQuery(query: Record<string, string | string[] | null>): string {
  return Object.entries(query)
    .flatMap(([name, value]) => [value ?? ""].flat().map((each) => `${escape(name)}=${escape(each)}`))
    .sort().join("&");
}
