/**
 * The error of a backup that would become too large.
 *
 * @module
 */
import { HoldfastError } from "../../../base/errors.ts";

/** More would have to be stored than the caller allowed (`LIMIT`). */
export class LimitError extends HoldfastError {
  /** `path`: the database; `maxBytes`: the limit. */
  constructor(path: string, maxBytes: number) {
    super(
      "LIMIT",
      `Cannot back up ${path}: more than the ${maxBytes} bytes of option "maxBytes" would have to be stored; ` +
        "no backup was made (LIMIT)",
    );
    this.name = "HoldfastError";
  }
}
