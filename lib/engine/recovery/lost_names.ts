/**
 * Names for namespaces whose catalog row is lost. Without one their entries could not be reached, and the next namespace
 * to be made would be given their key space, and show them as its own.
 *
 * @module
 */
import { ByteReader, isText } from "../../base/bytes.ts";
import { catalogKey, readCatalogRow, writeCatalogCell } from "../../format/catalog.ts";
import { CATALOG_SPACE, FIRST_NAMESPACE_SPACE, isTagSpace, ROOT_SPACE } from "../../format/space.ts";
import type { KeyEncoding } from "../types.ts";

/** A catalog row that takes the place of a lost one. */
export interface FoundName {
  /** What the namespace is called now, inside the root. */
  name: string;
  /** Its row's internal key. */
  key: Uint8Array;
  /** Its row's cell. */
  cell: Uint8Array;
}

/** Watches the rows of a repair, in order, for key spaces that no catalog row names. */
export class LostNames {
  readonly #named = new Set<number>([ROOT_SPACE]);
  readonly #rootNames = new Set<string>();
  /** Key spaces in use, and whether all of their keys are text. */
  readonly #used = new Map<number, boolean>();

  /** Notes a row that stays. */
  see(key: Uint8Array, cell: Uint8Array): void {
    const reader = new ByteReader(key);
    const space = reader.varint();
    if (space === CATALOG_SPACE) {
      const row = readCatalogRow(key, cell);
      this.#named.add(row.space);
      if (row.parent === ROOT_SPACE) this.#rootNames.add(row.name);
      else if (!this.#used.has(row.parent)) this.#used.set(row.parent, true);
    } else if (space >= FIRST_NAMESPACE_SPACE && !isTagSpace(space)) {
      const before = this.#used.get(space);
      if (before !== false) this.#used.set(space, isText(key.subarray(reader.at)));
    }
  }

  /** Rows for those without a name, in key order. */
  rows(keyEncoding: KeyEncoding): FoundName[] {
    const found: FoundName[] = [];
    for (const [space, allText] of this.#used) {
      if (this.#named.has(space)) continue;
      let name = `recovered-${space}`;
      while (this.#rootNames.has(name)) name += "-again";
      const cell = writeCatalogCell({ space, keyEncoding: allText ? keyEncoding : "bytes" });
      found.push({ name, key: catalogKey(ROOT_SPACE, name), cell });
    }
    return found.sort((a, b) => a.name < b.name ? -1 : 1);
  }
}
