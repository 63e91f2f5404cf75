/**
 * The S3-compatible XML interface of Google Cloud Storage: its own conditions, its own signatures, the rest as S3.
 *
 * @module
 */
import type { Condition, S3Dialect } from "./dialect.ts";
import { defaultTokens } from "./google_auth.ts";
import { googleHeaders, type HmacKeys, type SignableRequest, signWithKeys } from "./google_signer.ts";
import type { S3Settings } from "./options.ts";

/** How requests are authorized: by HMAC keys, by tokens that a function gives, or by Google's default credentials. */
export type GoogleCredentials = HmacKeys | (() => Promise<string>) | undefined;

/** The dialect, with what authorizes its requests. */
export function googleDialect(credentials: GoogleCredentials, now: () => number): S3Dialect {
  let tokens = typeof credentials === "function" ? credentials : undefined;
  let token: string | undefined;
  async function sign(request: SignableRequest): Promise<SignableRequest> {
    googleHeaders(request);
    if (typeof credentials === "object") {
      signWithKeys(request, credentials, now());
      return request;
    }
    tokens ??= await defaultTokens();
    token = await tokens();
    request.headers["authorization"] = `Bearer ${token}`;
    return request;
  }
  return {
    scheme: "gs",
    title: "gcs",
    packages: "@aws-sdk/client-s3, and google-auth-library unless HMAC keys are given",
    withoutCredentials:
      'pass option "credentials", or set GOOGLE_APPLICATION_CREDENTIALS, or give the machine a service account',
    permission,
    known: () => ({ ifAbsent: true, ifMatch: true, matchForm: "bare", checksums: true, digest: "md5" }),
    // Its uploads in parts take no preconditions.
    conditionalCompletion: () => false,
    conditionHeaders(condition: Condition) {
      const generation = "ifAbsent" in condition ? "0" : condition.ifMatch;
      // 0 would mean that nothing may be there.
      if ("ifMatch" in condition && !/^[1-9]\d*$/.test(generation)) {
        throw new TypeError("put: ifMatch must be a tag that get or put told");
      }
      return { "x-goog-if-generation-match": generation };
    },
    tagOf: (headers) => headers["x-goog-generation"],
    // The SDK wants keys before it asks the signer, which has its own.
    clientOptions: () => ({ signer: { sign }, credentials: { accessKeyId: "signer", secretAccessKey: "signer" } }),
    secrets: () => typeof credentials === "object" ? [credentials.accessId, credentials.secret] : [token],
  };
}

function permission(operation: string, { bucket }: S3Settings): string {
  const names: Readonly<Record<string, string>> = {
    put: "storage.objects.create, and storage.objects.delete to replace,",
    get: "storage.objects.get, and storage.objects.list, without which what is not there is forbidden,",
    head: "storage.objects.get, and storage.objects.list, without which what is not there is forbidden,",
    delete: "storage.objects.delete",
    "abort upload": "storage.multipartUploads.abort",
    "list uploads": "storage.multipartUploads.list",
  };
  return `${names[operation] ?? "storage.objects.list"} on the bucket ${bucket}`;
}
