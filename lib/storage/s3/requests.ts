/**
 * Single requests, each in attempts with a deadline, and their failures as callers get them.
 *
 * @module
 */
import type { Sdk } from "./client.ts";
import { Buffer } from "node:buffer";
import { inAttempts } from "../remote/attempts.ts";
import type { Digest } from "../remote/part_cutter.ts";
import { remoteError, RequestFailure } from "../remote/request_failure.ts";
import { Secrets } from "../remote/secrets.ts";
import type { Timers } from "../../base/timers.ts";
import { loadClient, type S3Client, type S3Module } from "./client.ts";
import type { Headers, S3Dialect } from "./dialect.ts";
import { adviceOf, failureOf } from "./failure.ts";
import type { S3Settings } from "./options.ts";

/** What requests need besides settings; tests pass their own. */
export interface S3Surroundings {
  /** Those that wait. */
  timers: Timers;
  /** ms since the Unix epoch. */
  now: () => number;
  /** 0 to 1. */
  random: () => number;
  /** Bytes for ids. */
  randomBytes: (count: number) => Uint8Array;
}

/** An answer, and its headers in lower case. */
export interface Answer<Output> {
  output: Output;
  headers: Headers;
  /** Whether an attempt before may have been carried out, without our hearing of it. */
  unsure: boolean;
}

/** One request. */
export interface RequestOptions {
  /** For messages and permissions: `"put"`. */
  operation: string;
  /** The caller's key, for messages. */
  key: string;
  /** Added before it is signed. */
  headers?: Record<string, string> | undefined;
  /** Gives up. */
  signal?: AbortSignal | undefined;
  /** Other than the settings say. */
  deadlineMs?: number | undefined;
  /** Other than the settings say. */
  attempts?: number | undefined;
}

/** A failure, and whether any attempt may have been carried out. */
export class UnansweredFailure extends Error {
  readonly failure: RequestFailure;
  readonly unsure: boolean;

  /** Of the last attempt. */
  constructor(failure: RequestFailure, unsure: boolean) {
    super(failure.message);
    this.failure = failure;
    this.unsure = unsure;
  }
}

/** A command of the SDK, as far as it is used. */
type Command<Output> = {
  middlewareStack: { add(middleware: unknown, options: unknown): void };
  readonly __output?: Output;
};

/** Makes requests. */
export class S3Requests {
  readonly settings: S3Settings;
  readonly dialect: S3Dialect;
  readonly surroundings: S3Surroundings;
  /** For messages. */
  readonly name: string;
  readonly #secrets: Secrets;
  #client: Promise<S3Client> | undefined;

  constructor(settings: S3Settings, dialect: S3Dialect, surroundings: S3Surroundings) {
    this.settings = settings;
    this.dialect = dialect;
    this.surroundings = surroundings;
    this.name = `${dialect.title} ${settings.bucket}/${settings.prefix}`.replace(/\/$/, "");
    this.#secrets = new Secrets();
    if (typeof settings.credentials === "object") this.#hide(settings.credentials);
  }

  /** The key in the bucket. */
  full(key: string): string {
    return this.settings.prefix + key;
  }

  /**
   * Makes a request and gives its answer; failures that callers want to look at come as `UnansweredFailure`. `make` is
   * called for each attempt.
   */
  async call<Output extends object>(
    request: RequestOptions,
    make: (sdk: S3Module) => unknown | Promise<unknown>,
    read?: (output: Output, headers: Headers) => Promise<void>,
  ): Promise<Answer<Output>> {
    const { timers, random, now } = this.surroundings;
    let unsure = false;
    /** The attempt that has not ended; one that its deadline left behind does not end in time to say so. */
    let open = 0;
    const { signal, deadlineMs = this.settings.deadlineMs, attempts = this.settings.attempts } = request;
    try {
      return await inAttempts(
        async (own, attempt) => {
          if (open !== 0) unsure = true;
          open = attempt;
          try {
            const { sdk, client } = await this.#load();
            const command = await make(sdk) as Command<Output>;
            const headers: Record<string, string | undefined> = {};
            watch(command, request.headers, headers);
            const output = await client.send(command as never, { abortSignal: own }) as unknown as Output;
            await read?.(output, headers);
            open = 0;
            return { output, headers, unsure };
          } catch (error) {
            const failure = failureOf(error, now());
            if (open === attempt) open = 0;
            if (isLost(failure)) unsure = true;
            throw failure;
          }
        },
        signal,
        { attempts, deadlineMs, timers, random },
      );
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      // A deadline that fired leaves its attempt behind.
      throw new UnansweredFailure(error, unsure || isLost(error));
    }
  }

  /** As `call`, with the errors that callers of the store get. */
  async request<Output extends object>(
    request: RequestOptions,
    make: (sdk: S3Module) => unknown | Promise<unknown>,
    read?: (output: Output, headers: Headers) => Promise<void>,
  ): Promise<Answer<Output>> {
    try {
      return await this.call<Output>(request, make, read);
    } catch (error) {
      throw await this.told(request, error);
    }
  }

  /** The error that callers of the store get for this one. */
  async told(request: Pick<RequestOptions, "operation" | "key">, error: unknown): Promise<unknown> {
    if (!(error instanceof UnansweredFailure)) return error;
    await this.#learnSecrets();
    const { operation, key } = request;
    const advice = adviceOf(error.failure, operation, this.dialect, this.settings);
    return remoteError({ store: this.name, operation, key }, error.failure, advice, this.#secrets);
  }

  #load(): Promise<S3Client> {
    this.#client ??= loadClient(this.settings, this.dialect).catch((error) => {
      this.#client = undefined;
      throw error;
    });
    return this.#client;
  }

  /** Asks the client for the keys it uses, so that no message shows them. */
  async #learnSecrets(): Promise<void> {
    try {
      for (const secret of this.dialect.secrets?.() ?? []) this.#secrets.add(secret);
      const { client } = await this.#load();
      this.#hide(await client.config.credentials());
    } catch {
      // Where there are none, none can be shown.
    }
  }

  #hide(credentials: { accessKeyId?: string; secretAccessKey?: string; sessionToken?: string | undefined }): void {
    for (const name of ["accessKeyId", "secretAccessKey", "sessionToken"] as const) {
      this.#secrets.add(credentials[name]);
    }
  }
}

/**
 * Whether the request may have been carried out without our hearing of it. A 500 is an answer: Ceph gives it to who loses a
 * race. A 502 and a 504 are of something on the way.
 */
function isLost({ harmless, status }: RequestFailure): boolean {
  return !harmless && (status === undefined || status < 300 || status === 502 || status === 504);
}

/** The headers by which a service verifies a body. The SDK makes no SHA-256 of its own where it is given one. */
export function digestHeaders({ name, value }: Digest): Record<string, string> {
  return name === "md5"
    ? { "content-md5": Buffer.from(value).toString("base64") }
    : { "x-amz-content-sha256": Buffer.from(value).toString("hex") };
}

/** Options of what is put: how it is encrypted, kept and locked. */
export function putInput(
  settings: S3Settings,
  now: number,
): Partial<Sdk.PutObjectCommandInput & Sdk.CreateMultipartUploadCommandInput> {
  const { serverSideEncryption, kmsKeyId, storageClass, lock } = settings;
  return {
    ContentType: "application/octet-stream",
    ...(serverSideEncryption === undefined ? {} : { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
    ...(storageClass === undefined ? {} : { StorageClass: storageClass as Sdk.StorageClass }),
    ...(lock === undefined
      ? {}
      : { ObjectLockMode: lock.mode, ObjectLockRetainUntilDate: new Date(Math.ceil(lock.until(now) / 1000) * 1000) }),
  };
}

/** Adds headers to the request before it is signed, and writes down those of its answer. */
function watch<Output>(
  command: Command<Output>,
  added: Record<string, string> | undefined,
  seen: Record<string, string | undefined>,
): void {
  type Args = { request: { headers: Record<string, string> } };
  type Result = { response: { headers: Record<string, string> } };
  if (added !== undefined) {
    command.middlewareStack.add(
      (next: (args: Args) => Promise<unknown>) => (args: Args) => {
        Object.assign(args.request.headers, added);
        return next(args);
      },
      { step: "build", name: "holdfastHeaders" },
    );
  }
  command.middlewareStack.add(
    (next: (args: unknown) => Promise<Result>) => async (args: unknown) => {
      const result = await next(args);
      for (const [name, value] of Object.entries(result.response.headers)) seen[name.toLowerCase()] = value;
      return result;
    },
    // Next to the handler: what the deserializer throws for comes by here as well.
    { step: "deserialize", priority: "low", name: "holdfastSeen" },
  );
}
