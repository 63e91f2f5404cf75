/** What the parent of a soak tells its child. */
import type { Least } from "./compare.ts";
import type { Plan } from "./plan.ts";

/** Where everything lies. */
export interface Paths {
  /** The database. */
  data: string;
  /** The repository of its backups. */
  backups: string;
  /** Copies; emptied before each start. */
  scratch: string;
  /** What the child says. */
  said: string;
  /** The child stops in order when it is there. */
  stop: string;
  /** These orders. */
  orders: string;
}

/** The orders of one run. */
export interface Orders {
  plan: Plan;
  paths: Paths;
  /** What was acknowledged. */
  least: Least;
  /** ms by which the child's clock is ahead of the machine's. */
  clockAhead: number;
  /** The pause of a writer after each commit, ms; others make pauses in proportion. */
  paceMs: number;
  /** Between two measurements, ms. */
  measureMs: number;
  /** Only looks, in every way, and closes. */
  last: boolean;
}
