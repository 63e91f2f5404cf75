/**
 * In what services that speak S3 differ, as far as a store has to know.
 *
 * @module
 */
import type { DigestName } from "../remote/part_cutter.ts";
import type { S3Settings } from "./options.ts";

/** How a put is made to depend on what is there. */
export type Condition = { ifAbsent: true } | { ifMatch: string };

/** Headers of an answer, in lower case. */
export type Headers = Readonly<Record<string, string | undefined>>;

/** How `If-Match` is written: AWS and most want the tag in quotes, Ceph wants it without. */
export type MatchForm = "quoted" | "bare";

/** What the probe finds out, or what is known of a service. */
export interface Abilities {
  /** A put can ask that nothing is there. */
  ifAbsent: boolean;
  /** A put can name the tag of what is there. */
  ifMatch: boolean;
  /** How it does. */
  matchForm: MatchForm;
  /** A body that does not match its digest is refused. */
  checksums: boolean;
  /** Which digest that is: in `Content-MD5`, or the SHA-256 that requests are signed with. */
  digest: DigestName;
}

/** One service's ways. */
export interface S3Dialect {
  /** Of the place: `"s3"` for `s3://bucket/prefix`. */
  readonly scheme: string;
  /** What it is called in messages. */
  readonly title: string;
  /** The permission that a request needs, for advice. */
  permission(operation: string, settings: S3Settings): string;
  /** What is known of the service without asking it. */
  known(settings: S3Settings): Abilities | undefined;
  /** Whether the completion of an upload in parts can have a condition; undefined: find out. */
  conditionalCompletion(settings: S3Settings): boolean | undefined;
  /** The headers of a condition. */
  conditionHeaders(condition: Condition, form: MatchForm): Record<string, string>;
  /** The tag of an object, from an answer about it; undefined when it says none. */
  tagOf(headers: Headers): string | undefined;
  /** Changes the client's options. */
  clientOptions?(settings: S3Settings): Promise<Record<string, unknown>> | Record<string, unknown>;
  /** What must be hidden beside the keys. */
  secrets?(): readonly (string | undefined)[];
  /** The packages that it needs. */
  readonly packages: string;
  /** What to do where no credentials were found. */
  readonly withoutCredentials: string;
}

/** The S3 of AWS, and of all who follow it. */
export const awsDialect: S3Dialect = {
  scheme: "s3",
  title: "s3",
  packages: "@aws-sdk/client-s3",
  withoutCredentials:
    'pass option "credentials", or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role',
  permission(operation, { bucket, prefix, asOf }) {
    const object = `arn:aws:s3:::${bucket}/${prefix}*`;
    const whole = `arn:aws:s3:::${bucket}`;
    if (asOf !== undefined) return `s3:GetObjectVersion on ${object}, and s3:ListBucketVersions on ${whole}`;
    switch (operation) {
      case "put":
        return `s3:PutObject on ${object}`;
      case "get":
      case "head":
        return `s3:GetObject on ${object}, and s3:ListBucket on ${whole}, without which what is not there is forbidden`;
      case "delete":
        return `s3:DeleteObject on ${object}`;
      case "list uploads":
        return `s3:ListBucketMultipartUploads on ${whole}`;
      case "abort upload":
        return `s3:AbortMultipartUpload on ${object}`;
      default:
        return `s3:ListBucket on ${whole}`;
    }
  },
  known: ({ endpoint, conditions }) =>
    conditions !== undefined
      ? { ...conditions, matchForm: conditions.bareTags ? "bare" : "quoted", digest: "md5" }
      : endpoint === undefined
      ? { ifAbsent: true, ifMatch: true, matchForm: "quoted", checksums: true, digest: "md5" }
      : undefined,
  conditionalCompletion: ({ endpoint }) => endpoint === undefined ? true : undefined,
  conditionHeaders(condition, form): Record<string, string> {
    if ("ifAbsent" in condition) return { "if-none-match": "*" };
    return { "if-match": form === "quoted" ? `"${condition.ifMatch}"` : condition.ifMatch };
  },
  tagOf: (headers) => headers["etag"]?.replace(/^"|"$/g, ""),
};
