/**
 * The error of a backup that would become too large.
 *
 * @module
 */
import { HoldfastError } from "../../../base/errors.ts";

/** More would have to be stored than the caller allowed (`LIMIT`). */
export class LimitError extends HoldfastError {
  /** States the limit. */
  constructor(message: string) {
    super("LIMIT", message);
    this.name = "HoldfastError";
  }
}
