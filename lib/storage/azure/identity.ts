/**
 * The one file that imports `@azure/identity`, when no secret was given and not before.
 *
 * @module
 */
import type { AzureTokenCredential } from "./settings.ts";

/** Environment, workload identity, managed identity, and the command lines of developers, in this order. */
export async function defaultCredential(): Promise<AzureTokenCredential> {
  try {
    const { DefaultAzureCredential } = await import("@azure/identity");
    return new DefaultAzureCredential();
  } catch (error) {
    throw error; // As in `sdk.ts`, for bundlers.
  }
}
