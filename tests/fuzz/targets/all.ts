/** All decoders of the library. */
import type { Target } from "../target.ts";
import { ARCHIVE_TARGETS } from "./archive.ts";
import { BLOB_TARGETS } from "./blob.ts";
import { CELL_TARGETS } from "./cells.ts";
import { DOCUMENT_TARGETS } from "./documents.ts";
import { LOG_TARGETS } from "./log.ts";
import { MANIFEST_TARGETS } from "./manifest.ts";
import { OBJECT_TARGETS } from "./objects.ts";
import { PORTABLE_TARGETS } from "./portable.ts";
import { TABLE_TARGETS } from "./table.ts";

export const TARGETS: readonly Target[] = [
  ...LOG_TARGETS,
  ...CELL_TARGETS,
  ...TABLE_TARGETS,
  ...BLOB_TARGETS,
  ...MANIFEST_TARGETS,
  ...OBJECT_TARGETS,
  ...DOCUMENT_TARGETS,
  ...ARCHIVE_TARGETS,
  ...PORTABLE_TARGETS,
];
