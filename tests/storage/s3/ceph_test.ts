/** What every store must do, done by a bucket of Ceph RADOS Gateway. */
import { it } from "node:test";
import { CEPH_CAN, newBucket, placesIn } from "../servers/buckets.ts";
import { sharedServer } from "../servers/shared.ts";
import { storeSuite } from "../store_suite.ts";

const server = await sharedServer("ceph");
if (server === undefined) it("Ceph is not here", () => {});
else storeSuite(server.version, placesIn(server, await newBucket(server), CEPH_CAN), { slow: true });
