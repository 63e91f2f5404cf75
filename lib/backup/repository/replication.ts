import type { RepositoryContext } from "./context.ts";
import type { Engine } from "../../engine/types.ts";
/** stub */
export class Replication {
  /** stub */
  constructor(_context: RepositoryContext, _engine: Engine, _options: unknown) {}
}
