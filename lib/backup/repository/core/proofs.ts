/**
 * Proofs: what a check or a drill found of a backup, kept for health and retention. One that is good and one that is bad of
 * each thing proven stay, the newest of each.
 *
 * ```
 * proofs/verify-<backup>-ok.json       proofs/verify-<backup>-failed.json        ("all" for what is no backup's)
 * proofs/drill-<lineage>-<version>-ok.json, -failed.json, -part.json
 * ```
 *
 * @module
 */
import { type Proof, proof } from "../../../format/repository/house_documents.ts";
import type { RepositoryContext } from "./context.ts";
import { allKeys, isDamage, readAllDocuments, readDocument, writeDocument } from "./documents.ts";
import { PART } from "./layout.ts";

/** Drills of one history that are remembered. Each has a few hundred bytes; one a day makes three months. */
const DRILLS_MAX = 100;

/** Where a proof is kept. */
export function proofKey({ kind, backupId, lineage, version, ok, contentChecksum }: Proof): string {
  const what = kind === "verify" ? backupId ?? "all" : `${lineage}-${String(version).padStart(16, "0")}`;
  // A drill of a part of the entries takes no place from one of all.
  const how = !ok ? "failed" : kind === "drill" && contentChecksum === null ? "part" : "ok";
  return `${PART.proofs}${kind}-${what}-${how}.json`;
}

/** Keeps a proof. A proof that can't be kept changes nothing of what was found. */
export async function writeProof(context: RepositoryContext, body: Proof): Promise<void> {
  if (context.readOnly) return;
  try {
    await writeDocument(context, "proof", proofKey(body), body);
    if (body.kind === "drill") await forgetDrills(context, body.lineage);
  } catch {
    // It is told in the report and in the audit log.
  }
}

async function forgetDrills(context: RepositoryContext, lineage: string): Promise<void> {
  const keys = await allKeys(context.store, `${PART.proofs}drill-${lineage}-`);
  for (const { key } of keys.slice(0, -DRILLS_MAX)) await context.store.delete(key);
}

/** All proofs that can be read. */
export async function readProofs(context: RepositoryContext): Promise<Proof[]> {
  return (await readAllDocuments(context, "proof", PART.proofs, proof, () => {})).map(({ body }) => body);
}

/** The good drill of a version; undefined when there was none. */
export async function drillOf(
  context: RepositoryContext,
  about: Pick<Proof, "database" | "lineage" | "version">,
): Promise<Proof | undefined> {
  const key = proofKey({ ...about, kind: "drill", backupId: null, ok: true, contentChecksum: "" } as Proof);
  try {
    const found = (await readDocument(context, "proof", key, proof))?.body;
    return found?.database === about.database && found.version === about.version ? found : undefined;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
