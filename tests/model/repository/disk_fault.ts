/** Faults of the disk that spare the test itself. */
import type { DiskFault, Operation as DiskOperation } from "../../../lib/files/memory/memory_file_system.ts";
import type { World } from "./world.ts";

/** A fault that strikes only what the database does, not what the test itself reads. */
export function whileAiling(world: World, fault: DiskFault & { at: (operation: DiskOperation) => boolean }): DiskFault {
  return { ...fault, at: (operation) => world.ails && fault.at(operation) };
}
