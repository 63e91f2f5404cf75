import { it } from "node:test";
import { isMyDay } from "../crash/random.ts";

// A server is started for it; loaded only then.
if (isMyDay(1)) await import("./redis.ts");
else it("another runtime's turn today", () => {});
