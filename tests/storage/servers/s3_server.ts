/** A server that speaks S3, as the tests see it. */
export interface S3Server {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string;
  /** The region it signs for. */
  readonly region: string;
  /** Keys that may do everything. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What it is, with its version. */
  readonly version: string;
}

/** A server that this process started. */
export interface OwnS3Server extends S3Server {
  /** Ends the process that answers requests, at once; what was stored stays. */
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
  /** Ends everything and removes the files. */
  stop(): Promise<void>;
}
