/**
 * `repository.json`: says that here is a repository, and whether it is encrypted. Written once, never changed.
 *
 * ```
 * {"id":"<32 hex>","createdAt":1000,"encryption":null}
 * {"id":"<32 hex>","createdAt":1000,"encryption":{"cipher":"aes-256-gcm","ringId":"<32 hex>"}}
 * ```
 *
 * It has a checksum and no mac (`document.ts`): who was given a secret must refuse a repository that says it needs none, or
 * a changed file would turn encryption off.
 *
 * @module
 */
import { choice, nullable, object, type Shape, whole } from "../manifest/json_shape.ts";
import { id32 } from "./shapes.ts";

/** What a repository is. */
export interface RepositoryDocument {
  /** The repository's id, 32 hexadecimal digits. */
  id: string;
  /** When it was made, ms. */
  createdAt: number;
  /** How its objects are encrypted, and under which ring; null: not at all. */
  encryption: null | { cipher: "aes-256-gcm"; ringId: string };
}

/** The shape of `RepositoryDocument`. */
export const repositoryDocument: Shape<RepositoryDocument> = object({
  id: id32,
  createdAt: whole(),
  encryption: nullable(object({ cipher: choice("aes-256-gcm"), ringId: id32 })),
});
