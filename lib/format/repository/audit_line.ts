/**
 * The audit log of a repository: what was done, one line of JSON each, in `audit/<seq, 12 digits>.jsonl`.
 *
 * ```
 * line := {"seq":1,"at":1000,"action":"backup","result":"ok","detail":{...},"previous":"<64 hex>"[,"mac":"hmac-sha256:<hex>"]}
 *         and a line feed
 * previous := SHA-256 of the bytes of the line before, line feed included; zeros for the first
 * mac      := in an encrypted repository, over the UTF-8 of the JSON without it, under the ring's document key
 * ```
 *
 * Who changes or removes a line breaks the chain at the next. Without encryption he can write all later lines anew, and in any
 * case cut the end off: the chain shows what happened to those who kept a hash, it does not stop anyone.
 *
 * Only these very bytes are the line: a second spelling of the same JSON is refused.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { encodeText } from "../../base/bytes.ts";
import { IntegrityError } from "../../base/errors.ts";
import { choice, flag, nullable, object, type Shape, ShapeError, text, whole } from "../manifest/json_shape.ts";
import { parseJson } from "../manifest/json_text.ts";
import { keyMissing, sealOf, shaped, UNCHECKED } from "./document.ts";
import type { KeyRing } from "./ring.ts";
import { pattern, record, sha256 } from "./shapes.ts";

/** What may be told about an action. Never a secret. */
export type AuditDetail = Record<string, string | number | boolean | null>;

/** One thing that was done. */
export interface AuditLine {
  /** Its number: 1 for the first, then one more for each. */
  seq: number;
  /** When, ms. */
  at: number;
  /** What: `"backup"`, `"prune"` and the like. */
  action: string;
  /** How it ended. */
  result: "ok" | "failed";
  /** More about it. */
  detail: AuditDetail;
  /** The hash of the line before; `AUDIT_START` for the first. */
  previous: string;
}

/** `previous` of the first line. */
export const AUDIT_START: string = "0".repeat(64);

const scalar: Shape<string | number | boolean | null> = (value, at) => {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return flag(value, at);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return nullable<string>(() => {
    throw new ShapeError(`${at} is no string, number, flag or null`);
  })(value, at);
};

const fields = {
  seq: whole(1),
  at: whole(),
  action: pattern(/^[a-zA-Z][a-zA-Z-]{0,63}$/, "an action"),
  result: choice("ok", "failed"),
  detail: record(scalar),
  previous: sha256,
};
const shape = object(fields, { mac: text });

/** The line, with its line feed. */
export function encodeAuditLine(line: AuditLine, ring?: KeyRing): string {
  const { seq, at, action, result, detail, previous } = line;
  const body: AuditLine = object(fields)(JSON.parse(JSON.stringify({ seq, at, action, result, detail, previous })), "");
  return layout(body, ring);
}

/**
 * Takes a line apart; `name` is what errors call it. Throws `IntegrityError`, `UnsupportedFormatError` for a field that is
 * not known, and `DecryptionError` for a line with a mac when no ring was given.
 */
export function decodeAuditLine(text: string, name: string, ring?: KeyRing | typeof UNCHECKED): AuditLine {
  let parsed: unknown;
  try {
    parsed = parseJson(text);
  } catch (cause) {
    throw damaged(name, cause instanceof ShapeError ? cause.message : "it is not JSON", cause);
  }
  const { mac, ...line } = shaped(parsed, name, shape, "audit lines");
  if (mac !== undefined && ring === undefined) throw keyMissing(name);
  if (ring === UNCHECKED && mac !== undefined) return line;
  if (text !== layout(line, ring === UNCHECKED ? undefined : ring)) {
    throw damaged(name, ring === undefined ? "it is not laid out as it was written" : "its mac does not match");
  }
  return line;
}

/** What the next line has as `previous`. */
export function auditHash(text: string): string {
  return createHash("sha256").update(encodeText(text)).digest("hex");
}

/**
 * Checks that lines follow each other without a hole, from the first one or behind `start`; returns where the next one goes
 * on. Throws `IntegrityError` naming the first line that does not follow.
 */
export function checkAuditChain(
  lines: Iterable<{ name: string; text: string }>,
  start: { seq: number; hash: string } = { seq: 0, hash: AUDIT_START },
  ring?: KeyRing,
): { seq: number; hash: string } {
  let { seq, hash } = start;
  for (const { name, text } of lines) {
    const line = decodeAuditLine(text, name, ring);
    if (line.seq !== seq + 1) throw damaged(name, `it is line ${line.seq}, where ${seq + 1} follows`);
    if (line.previous !== hash) throw damaged(name, "the line before it is not the one it was written behind");
    seq = line.seq;
    hash = auditHash(text);
  }
  return { seq, hash };
}

function layout(body: AuditLine, ring: KeyRing | undefined): string {
  const mac = ring === undefined ? {} : { mac: sealOf(body, ring)[1] };
  return `${JSON.stringify({ ...body, ...mac })}\n`;
}

function damaged(name: string, detail: string, cause?: unknown): IntegrityError {
  return new IntegrityError(`Cannot trust ${name}: ${detail}; the audit log was damaged or changed`, {
    path: name,
    cause,
  });
}
