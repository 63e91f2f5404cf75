import { it } from "node:test";
import { isMyDay } from "../crash/random.ts";

// What reads the stores is tried everywhere, by tests/migrate.
if (isMyDay(2)) await import("./import_store.ts");
else it("another runtime's turn today", () => {});
