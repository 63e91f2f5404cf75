/**
 * Backups as callers see them.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { base64Bytes, toBase64 } from "../../../format/manifest/json_shape.ts";
import type { BackupDocument } from "../../../format/repository/backup_document.ts";
import { sealDocument } from "../../../format/repository/document.ts";
import type { BackupInfo, BackupType } from "../../info.ts";
import type { RepositoryContext } from "../core/context.ts";

/** What a backup is and was. */
export function backupInfo(context: RepositoryContext, body: BackupDocument, pinned: boolean): BackupInfo {
  const { parents: _parents, databaseCreatedAt: _made, keyEncoding: _keys, base: _base, log: _log, ...rest } = body;
  const { coveredUntil: _covered, ...shown } = rest;
  const digest = createHash("sha256").update(sealDocument("backup", body, context.ring)).digest("hex");
  return {
    ...shown,
    requestedType: body.requestedType as "auto" | BackupType,
    parentId: body.parentId ?? undefined,
    namespace: body.namespace ?? undefined,
    prefix: prefixOf(body.prefix),
    checksum: `sha256:${digest}`,
    pinned,
  };
}

function prefixOf(prefix: BackupDocument["prefix"]): string | Uint8Array | undefined {
  if (prefix === null) return undefined;
  return prefix.text ?? base64Bytes(prefix.bytes, "prefix");
}

/** A prefix as a manifest has it. */
export function documentPrefix(prefix: string | Uint8Array | undefined): BackupDocument["prefix"] {
  if (prefix === undefined) return null;
  return typeof prefix === "string" ? { text: prefix } : { bytes: toBase64(prefix) };
}
