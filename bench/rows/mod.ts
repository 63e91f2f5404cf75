/**
 * Everything that is measured.
 *
 * @module
 */
import { LOADS } from "./loads.ts";
import { MIXED } from "./mixed.ts";
import { OPENING } from "./opening.ts";
import { READS } from "./reads.ts";
import type { Row } from "./row.ts";
import { TAGGED } from "./tags.ts";
import { WRITES } from "./writes.ts";

/** All rows, in the order of the table. */
export const ROWS: readonly Row[] = [...LOADS, ...READS, ...WRITES, ...MIXED, ...TAGGED, ...OPENING];
