/**
 * A request that was not answered as asked, and the error that callers get for it.
 *
 * A client's own error is never passed on, not as a cause either: it holds the request, with all that authorizes it.
 *
 * @module
 */
import { type HoldfastError, NoSpaceError, PermissionError } from "../../base/errors.ts";
import { storageError, type StoreRequest } from "../storage_failure.ts";
import type { Secrets } from "./secrets.ts";

/** What is known of a request that failed. */
export interface FailureFacts {
  /** The status of the answer; undefined when none came. */
  status?: number | undefined;
  /** The service's name for it, such as `"BlobNotFound"`, or the system's, such as `"ECONNRESET"`. */
  code?: string | undefined;
  /** The service's name for the request, for its support. */
  requestId?: string | undefined;
  /** How long the service asked to wait, ms. */
  retryAfterMs?: number | undefined;
  /** Whether the request may succeed later; by default as `isPassing` says. */
  retryable?: boolean | undefined;
  /** Whether the request surely had no effect; by default so for a 4xx. */
  harmless?: boolean | undefined;
}

/** Between the parts of a store; callers get what `remoteError` makes of it. */
export class RequestFailure extends Error {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly retryable: boolean;
  readonly harmless: boolean;

  /** `message` may hold anything; it is cleaned before anyone sees it. */
  constructor(message: string, facts: FailureFacts) {
    super(message);
    this.name = "RequestFailure";
    this.status = facts.status;
    this.code = facts.code;
    this.requestId = facts.requestId;
    this.retryAfterMs = facts.retryAfterMs;
    this.retryable = facts.retryable ?? isPassing(facts.status);
    this.harmless = facts.harmless ?? (facts.status !== undefined && facts.status >= 400 && facts.status < 500);
  }
}

/**
 * Whether a status may be another one later: 408, 429 and 5xx, and no status at all, which is a broken connection. Not 501,
 * 505 and 507: the service lacks something, and will lack it in a second.
 */
export function isPassing(status: number | undefined): boolean {
  if (status === undefined) return true;
  if (status === 408 || status === 429) return true;
  return status >= 500 && status !== 501 && status !== 505 && status !== 507;
}

/** The code of a client that is not installed. */
export const NO_CLIENT = "NoClient";

/** Whether an error says that a package can't be found, in the words of any runtime. */
export function isNotInstalled(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return (typeof code === "string" && /MODULE_NOT_FOUND$/.test(code)) ||
    (typeof message === "string" && /^(?:Cannot find (?:package|module)|Relative import path)/.test(message));
}

/** What a `Retry-After` asks for, in ms: seconds, or a date. `now` is ms since the Unix epoch. */
export function retryAfter(header: string | null | undefined, now: number): number | undefined {
  if (header === null || header === undefined) return undefined;
  const text = header.trim();
  if (/^\d+(?:\.\d+)?$/.test(text)) return Number(text) * 1000;
  // Digits make a year for Date.parse; a date of HTTP has a name of a day.
  const time = /^[A-Za-z]/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - now);
}

/** What to do about a failure, and which class of error it is. */
export interface Advice {
  /** `"permission"`: `PermissionError`. `"space"`: `NoSpaceError`. */
  kind: "storage" | "permission" | "space";
  /** In the place of the client's words, where those say little. */
  reason?: string | undefined;
  /** What to do. */
  remedy?: string | undefined;
}

const CLASSES = { permission: PermissionError, space: NoSpaceError } as const;
const CODES = { permission: "PERMISSION", space: "NO_SPACE" } as const;

/**
 * The error that callers get: `Cannot put heads/a in azure account/backups: the container does not exist (404
 * ContainerNotFound, request 0f3c...); make it ... (STORAGE)`.
 */
export function remoteError(
  request: StoreRequest,
  failure: RequestFailure,
  advice: Advice,
  secrets: Secrets,
): HoldfastError {
  const marks = [
    [failure.status, failure.code].filter((part) => part !== undefined).join(" "),
    failure.requestId === undefined ? "" : `request ${failure.requestId}`,
  ].filter((part) => part !== "").join(", ");
  // An answer to HEAD has no words.
  const said = failure.message.trim() === "" ? "the request was refused" : failure.message;
  const words = secrets.hide(oneLine(advice.reason ?? said)) + (marks === "" ? "" : ` (${secrets.hide(marks)})`);
  const reason = words + (advice.remedy === undefined ? "" : `; ${secrets.hide(advice.remedy)}`) +
    (failure.retryAfterMs === undefined
      ? ""
      : `; it asks to be left alone for ${Math.ceil(failure.retryAfterMs / 1000)} s`);
  const { kind } = advice;
  if (kind === "storage") {
    const { status, retryable, retryAfterMs } = failure;
    return storageError(request, reason, { retryable, status, retryAfterMs });
  }
  const what = request.key === "" ? request.store : `${request.key} in ${request.store}`;
  return new CLASSES[kind](`Cannot ${request.operation} ${what}: ${reason} (${CODES[kind]})`);
}

/** The first line, without a full stop, and not endless. */
function oneLine(text: string): string {
  const line = (text.split(/[\r\n]/, 1)[0] ?? "").trim().replace(/\.$/, "");
  return line.length > 300 ? `${line.slice(0, 300)}...` : line;
}
