/**
 * What the client threw, as a `RequestFailure` without the client's own error, and what to do about it.
 *
 * @module
 */
import { type Advice, isNotInstalled, NO_CLIENT, RequestFailure, retryAfter } from "../remote/request_failure.ts";
import type { S3Dialect } from "./dialect.ts";
import type { S3Settings } from "./options.ts";

interface ClientError {
  name?: unknown;
  message?: unknown;
  code?: unknown;
  Code?: unknown;
  $metadata?: { httpStatusCode?: number; requestId?: string };
  $response?: { statusCode?: number; headers?: Record<string, string> };
}

/** Codes of a 4xx that pass: the clock is put right by the client behind the first answer; the rest say so themselves. */
const PASSING = new Set([
  ...["RequestTimeout", "RequestTimeTooSkewed", "OperationAborted", "ConditionalRequestConflict", "SlowDown"],
  ...["Throttling", "ThrottlingException", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded"],
]);

/** What the system and the runtimes call a broken or refused connection. */
const NETWORK = /^(?:E[A-Z_]{3,}|UND_ERR\w*|HPE_\w+|ERR_(?:STREAM|HTTP|SOCKET|TLS)\w*|Connection\w*|Failed\w*)$/;
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/;
const NO_CREDENTIALS = /^(?:CredentialsProviderError|TokenProviderError|ProviderError)$/;

/** Codes without which an error of the client's is told by its class. */
export const CODE = {
  forbidden: "NotCapable",
  certificate: "CERTIFICATE",
  credentials: "NO_CREDENTIALS",
  region: "NO_REGION",
  replaced: "REPLACED",
} as const;

/** What it was. */
export function failureOf(error: unknown, now: number): RequestFailure {
  if (error instanceof RequestFailure) return error;
  const { name, message, code, Code, $metadata, $response } = (error ?? {}) as ClientError;
  // What the client calls an answer without words.
  const words = typeof message !== "string" ? String(error) : message === "UnknownError" ? "" : message;
  const text = (value: unknown): string | undefined => typeof value === "string" && value !== "" ? value : undefined;
  const status = $response?.statusCode ?? $metadata?.httpStatusCode;
  if (status !== undefined) {
    const told = text(Code) ?? text(name);
    // What the client calls an answer without a body.
    const known = told === undefined || /^(?:Unknown|UnknownError|Error|\d+)$/.test(told) ? undefined : told;
    const isPassing = known !== undefined && PASSING.has(known);
    // A good status and an error all the same: the answer was cut off or garbled.
    const retryable = isPassing || status < 300 ? true : undefined;
    return new RequestFailure(words, {
      status,
      code: known,
      requestId: $metadata?.requestId,
      retryAfterMs: retryAfter($response?.headers?.["retry-after"], now),
      retryable,
    });
  }
  if (isNotInstalled(error)) return new RequestFailure(words, { code: NO_CLIENT, retryable: false, harmless: true });
  const own = text(code) ?? text(name) ?? "";
  if (NO_CREDENTIALS.test(text(name) ?? "")) {
    return new RequestFailure(words, { code: CODE.credentials, retryable: false, harmless: true });
  }
  if (/region is missing/i.test(words)) {
    return new RequestFailure(words, { code: CODE.region, retryable: false, harmless: true });
  }
  if (own === CODE.forbidden) return new RequestFailure(words, { code: own, retryable: false, harmless: true });
  if (CERTIFICATE.test(own)) {
    return new RequestFailure(words, { code: CODE.certificate, retryable: false, harmless: true });
  }
  // A failure of the client's own making has no code of the system; it will not pass.
  const isNetwork = NETWORK.test(own) || /^(?:TimeoutError|AbortError|FetchError|SyntaxError)$/.test(own) ||
    /socket|connection|network|aborted|closed|reset|terminated|timed? ?out|parse error|body/i.test(words);
  return new RequestFailure(words, { code: own === "Error" ? undefined : own, retryable: isNetwork });
}

/** What to do about it. */
export function adviceOf(failure: RequestFailure, operation: string, dialect: S3Dialect, settings: S3Settings): Advice {
  const { code, status } = failure;
  const { bucket, region } = settings;
  switch (code) {
    case "NoSuchBucket":
      return {
        kind: "storage",
        reason: `there is no bucket ${bucket}`,
        remedy: "make it, or check the name, the region and the endpoint",
      };
    case "PermanentRedirect":
    case "TemporaryRedirect":
    case "AuthorizationHeaderMalformed":
    case "IllegalLocationConstraintException":
      return {
        kind: "storage",
        reason: `the bucket is not in the region ${region ?? "that was found"}`,
        remedy: 'pass the bucket\'s own region as option "region"',
      };
    case CODE.region:
      return { kind: "storage", reason: "no region is known", remedy: 'pass option "region", or set AWS_REGION' };
    case CODE.replaced:
      return { kind: "storage", remedy: "read it again" };
    case NO_CLIENT:
      return { kind: "storage", reason: "its client is not installed", remedy: `install ${dialect.packages}` };
    case CODE.forbidden:
      return {
        kind: "permission",
        remedy:
          "the runtime forbids it: Deno needs --allow-net, --allow-env and --allow-sys=osRelease, and --allow-read " +
          "and --allow-sys=homedir where credentials lie in files",
      };
    case CODE.credentials:
      return {
        kind: "permission",
        reason: "no credentials were found",
        remedy: dialect.withoutCredentials,
      };
    case "InvalidAccessKeyId":
    case "InvalidToken":
    case "ExpiredToken":
    case "TokenRefreshRequired":
      return {
        kind: "permission",
        reason: code === "ExpiredToken" ? "the session's keys have ended" : "the service does not know these keys",
        remedy: "pass current keys, or a provider that renews them",
      };
    case "SignatureDoesNotMatch":
      return {
        kind: "permission",
        reason: "the signature is not the one the service computes",
        remedy: "check the secret key, and that no proxy changes requests",
      };
    case "RequestTimeTooSkewed":
      return { kind: "storage", reason: "this machine's clock differs from the service's", remedy: "set the clock" };
    case "QuotaExceeded":
    case "InsufficientStorage":
    case "XMinioStorageFull":
      return { kind: "space", remedy: "raise the quota, or prune" };
    case "InvalidObjectState":
      return { kind: "storage", remedy: "thaw the object first; use a storage class that is read at once" };
    case "NotImplemented":
      return { kind: "storage", remedy: "the service lacks what an option or a condition asks for" };
    case CODE.certificate:
      return { kind: "storage", remedy: "make the runtime trust the service's certificate (NODE_EXTRA_CA_CERTS)" };
  }
  if (status === 301 || status === 307) {
    return {
      kind: "storage",
      reason: `the bucket is not in the region ${region ?? "that was found"}`,
      remedy: 'pass the bucket\'s own region as option "region"',
    };
  }
  if (status === 401 || status === 403) {
    return {
      kind: "permission",
      reason: "access is denied",
      remedy: `allow ${dialect.permission(operation, settings)}`,
    };
  }
  if (status === 400 && operation === "put") return { kind: "storage", remedy: remedyOf(settings) };
  if (status === 507) return { kind: "space", remedy: "raise the quota, or prune" };
  if (status === undefined && failure.retryable) {
    return { kind: "storage", remedy: "check the network and the endpoint" };
  }
  return { kind: "storage" };
}

/** What a bucket was asked for and may not give; few services say which it was. */
function remedyOf({ lock, serverSideEncryption, storageClass }: S3Settings): string | undefined {
  const asked = [
    lock === undefined ? [] : ['option "objectLock" (the bucket must have been made with object lock)'],
    serverSideEncryption === undefined ? [] : [`option "serverSideEncryption" (${serverSideEncryption})`],
    storageClass === undefined ? [] : [`option "storageClass" (${storageClass})`],
  ].flat();
  return asked.length === 0 ? undefined : `the service may not give what was asked for: check ${asked.join(", ")}`;
}
