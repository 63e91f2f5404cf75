/**
 * What a replication asks of its store, and so what a bucket that is paid by the request costs: counted from how it works, not
 * measured.
 *
 * ```
 * a heartbeat       1 put (the head)
 * a shipment        2 puts (an object, the head), 1 get (the object is read back, with `verify`)
 * merging n into 1  1 list, 1 put, n + 1 gets (each, and the new one read back), n deletes
 * a look at the base, after a shipment, a minute and more after the last one: 1 get
 * ```
 *
 * A store that checks what it takes by itself has nothing read back. One that decides no conditions is asked what is there
 * before each put, 1 get; and the claim to write to it is 1 put, 2 lists and 1 delete for whatever follows 5 s and more after
 * the write before it, or else 1 put every 20 s.
 *
 * Bases, and the merging of 24 hours into a day, are not in the hours. `tests/backup/repository/replication_cost_test.ts`
 * counts hours of real replications and compares.
 *
 * @module
 */
import { IDLE_MS, RENEW_MS } from "../core/writer_claim.ts";
import { type CheckedReplication, LOOK_EVERY_MS } from "./replication_options.ts";

/** Requests to a store, by what services charge for. */
export interface StoreRequests {
  /** Objects written, each in one request: so are those of up to 8 MiB. */
  puts: number;
  /** Objects read, or asked about. */
  gets: number;
  /** Listings of up to 1000 keys. */
  lists: number;
  /** Objects removed. */
  deletes: number;
}

/** What a replication asks of its store. */
export interface ReplicationEstimate {
  /** In an hour in which nothing is committed. */
  idle: StoreRequests;
  /** In an hour with commits in every `interval`. */
  busy: StoreRequests;
  /** For a base with one new file. Each further one is a put more, and a get where it is read back. */
  base: StoreRequests;
}

const HOUR = 3_600_000;

/** Minutes of an hour that are merged by themselves; those of the last one go into the hour at once. */
const MINUTES = 59;

/**
 * Put: the lease, taken and renewed twice; the file, the manifest, the head, a line of the audit log. Read: whether the id is
 * free, the head, the last manifest, the file. Listed: backups, marks twice, heads, objects (a page for each thousand; here
 * one).
 */
const BASE: StoreRequests = { puts: 7, gets: 4, lists: 5, deletes: 1 };

/** Estimates a replication over a store that checks what it takes by itself or not, and decides conditions or does not. */
export function estimateReplication(
  { interval, heartbeat, verify }: Pick<CheckedReplication, "interval" | "heartbeat" | "verify">,
  { checksums, conditions }: { checksums: boolean; conditions: boolean },
): ReplicationEstimate {
  const readsBack = verify && !checksums;
  const shipments = HOUR / interval;
  const perMinute = shipments / 60;
  // A minute with one object has nothing to merge. Between one and two, so many minutes have two.
  const minutes = MINUTES * Math.min(1, Math.max(0, perMinute - 1));
  const ofMinutes = minutes * Math.max(2, perMinute);
  const ofHour = shipments - ofMinutes + minutes;
  const hours = ofHour > 1 ? 1 : 0;
  const looks = HOUR / (Math.ceil(LOOK_EVERY_MS / interval) * interval);
  const [merges, merged] = [minutes + hours, ofMinutes + hours * ofHour];
  const asked: ReplicationEstimate = {
    idle: { puts: HOUR / heartbeat, gets: 0, lists: 0, deletes: 0 },
    busy: {
      puts: 2 * shipments + merges,
      gets: (readsBack ? shipments : 0) + merged + (checksums ? 0 : merges) + looks,
      lists: merges,
      deletes: merged,
    },
    base: { ...BASE, gets: BASE.gets - (readsBack ? 0 : 1) },
  };
  const all = conditions ? asked : {
    idle: plus(asked.idle, claims(heartbeat)),
    busy: plus(asked.busy, claims(interval)),
    base: plus(asked.base, CLAIM),
  };
  return { idle: rounded(all.idle), busy: rounded(all.busy), base: rounded(all.base) };
}

const CLAIM: StoreRequests = { puts: 1, gets: 0, lists: 2, deletes: 1 };

/** What an hour of writes in every `interval` takes to be the only writer. */
function claims(interval: number): StoreRequests {
  if (interval < IDLE_MS) return { puts: HOUR / RENEW_MS, gets: 0, lists: 0, deletes: 0 };
  const times = HOUR / interval;
  return { puts: times, gets: 0, lists: 2 * times, deletes: times };
}

/** With the claims, and a look before each put. */
function plus(asked: StoreRequests, claimed: StoreRequests): StoreRequests {
  return {
    puts: asked.puts + claimed.puts,
    gets: asked.gets + asked.puts + claimed.gets,
    lists: asked.lists + claimed.lists,
    deletes: asked.deletes + claimed.deletes,
  };
}

function rounded({ puts, gets, lists, deletes }: StoreRequests): StoreRequests {
  return {
    puts: Math.round(puts),
    gets: Math.round(gets),
    lists: Math.round(lists),
    deletes: Math.round(deletes),
  };
}
