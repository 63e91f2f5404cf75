/** What every store must do, done by a bucket of Swift, which has no conditions. */
import { it } from "node:test";
import { isMyDay } from "../../crash/random.ts";
import { newBucket, placesIn, SWIFT_CAN } from "../servers/buckets.ts";
import { sharedServer } from "../servers/shared.ts";
import { storeSuite } from "../store_suite.ts";

const server = await sharedServer("swift");
if (server === undefined) it("Swift is not here", () => {});
else if (!isMyDay(0)) it("another runtime's turn today", () => {});
else storeSuite(server.version, placesIn(server, await newBucket(server), SWIFT_CAN), { slow: true });
