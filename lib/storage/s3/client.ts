/**
 * The client of the AWS SDK: loaded when the first request is made, and set up so that its attempts, pauses and checksums
 * are ours.
 *
 * @module
 */
import type * as Sdk from "@aws-sdk/client-s3";
import { ownConnections } from "../remote/connections.ts";
import type { S3Dialect } from "./dialect.ts";
import type { S3Settings } from "./options.ts";

export type { Sdk };

/** The SDK's module. */
export type S3Module = typeof Sdk;

/** A client and the module it came from. */
export interface S3Client {
  readonly sdk: S3Module;
  readonly client: Sdk.S3Client;
}

/** More sockets than any number of stores with their parts uses, so that no request waits for one. */
const SOCKETS_MAX = 1000;

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** Loads the SDK and makes a client. */
export async function loadClient(settings: S3Settings, dialect: S3Dialect): Promise<S3Client> {
  let sdk: S3Module;
  try {
    sdk = await import("@aws-sdk/client-s3");
  } catch (error) {
    // Caught, for what is tried may be missing where a bundler puts a program together, and what is not stops it.
    throw error;
  }
  const { region, endpoint, pathStyle, credentials } = settings;
  const sockets = { maxSockets: SOCKETS_MAX };
  const { http, https } = ownConnections(SOCKETS_MAX) ?? { http: sockets, https: sockets };
  const client = new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
    forcePathStyle: pathStyle,
    // Attempts are counted here, each with a deadline.
    maxAttempts: 1,
    // Checksums are made here, of a kind that every service verifies; services other than AWS refuse the SDK's own.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { httpAgent: http, httpsAgent: https },
    // A library does not write to the console.
    logger: quiet,
    ...await dialect.clientOptions?.(settings),
  } as Sdk.S3ClientConfig);
  return { sdk, client };
}
