/**
 * From what the Azure client throws to a `RequestFailure`.
 *
 * @module
 */
import { isNotInstalled, NO_CLIENT, RequestFailure, retryAfter } from "../remote/request_failure.ts";

/** What is used of the client's error; nothing is sure to be there. */
interface ClientError {
  name?: unknown;
  message?: unknown;
  code?: unknown;
  statusCode?: unknown;
  details?: { errorCode?: unknown } | null;
  response?: { headers?: { get(name: string): string | undefined } } | null;
}

/** What never reached the service. */
const NOT_SENT = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];
/** Certificates that will not be better in a second. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|^ERR_TLS|^ERR_SSL/;
/** What damaged the bytes on their way may not do so again. */
const DAMAGED = ["Md5Mismatch", "Crc64Mismatch"];
/** What the credentials of `@azure/identity` throw. */
const CREDENTIAL = /^(?:Aggregate)?Authentication(?:Required)?Error$|^CredentialUnavailableError$/;

/** The code of a failure to get a token. */
export const NO_TOKEN = "NoToken";
/** The code of a runtime that forbids the connection. */
export const FORBIDDEN = "Forbidden";
/** The code of a blob that is another one, or gone, in the middle of reading. */
export const REPLACED = "Replaced";

/** By how much this machine's clock is ahead of the service's, ms, as its answer tells; undefined where it does not. */
function skewOf(date: string | undefined, now: number): number | undefined {
  const time = date === undefined ? NaN : Date.parse(date);
  return Number.isNaN(time) ? undefined : now - time;
}

/** A failure with what the advice looks at. */
export class AzureFailure extends RequestFailure {
  /** By how much this machine's clock was ahead, ms. */
  skewMs: number | undefined;
}

/** What went wrong, for the rest of the store. `now` is ms since the Unix epoch. */
export function failureOf(error: unknown, now: number): RequestFailure {
  if (error instanceof RequestFailure) return error;
  const { name, message, code, statusCode, details, response } = (error ?? {}) as ClientError;
  const words = typeof message === "string" ? message : String(error);
  if (CREDENTIAL.test(String(name))) {
    return new AzureFailure(words, { code: NO_TOKEN, retryable: false, harmless: true });
  }
  const system = typeof code === "string" ? code : undefined;
  // Deno and Node, when they were not allowed to connect.
  if (name === "NotCapable" || system === "ERR_ACCESS_DENIED" || /^Requires \w+ access to /.test(words)) {
    return new AzureFailure(words, { code: FORBIDDEN, retryable: false, harmless: true });
  }
  if (isNotInstalled(error)) {
    return new AzureFailure(words, { code: NO_CLIENT, retryable: false, harmless: true });
  }
  const headers = response?.headers;
  const named = details?.errorCode;
  const facts = {
    code: typeof named === "string" ? named : system,
    requestId: headers?.get("x-ms-request-id"),
    retryAfterMs: retryAfter(headers?.get("retry-after"), now),
  };
  if (typeof statusCode === "number" && statusCode >= 400) {
    const damaged = DAMAGED.includes(facts.code ?? "");
    const failure = new AzureFailure(words, { ...facts, status: statusCode, ...(damaged ? { retryable: true } : {}) });
    failure.skewMs = skewOf(headers?.get("date"), now);
    return failure;
  }
  // An answer that is no XML, or that ends too early: as good as none.
  if (name === "RestError" || system !== undefined) {
    const retryable = !UNTRUSTED.test(system ?? "");
    return new AzureFailure(words, { ...facts, retryable, harmless: NOT_SENT.includes(system ?? "") || !retryable });
  }
  // Of the client itself: a token without TLS, an option that it refuses.
  return new AzureFailure(words, { retryable: false });
}

/** What broke while a body was read. */
export function bodyFailure(error: unknown, now: number): RequestFailure {
  const failure = failureOf(error, now);
  if (failure.retryable || failure.status !== undefined) return failure;
  return new AzureFailure(failure.message, { code: failure.code ?? "BodyBroken", retryable: true, harmless: true });
}
