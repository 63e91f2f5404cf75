/**
 * What a server that speaks S3 looks like through Google's XML interface, as far as our store uses that: a loopback server
 * that checks Google's signature or token, turns generations into tags and back, and signs anew for the server behind. It
 * is no Google Cloud Storage: it shows that the requests are consistent, and that the store keeps its promises by them.
 */
import { createHash, createHmac } from "node:crypto";
import { type Fate, type Loopback, type SeenRequest, startLoopback } from "./loopback.ts";
import type { S3Server } from "./s3_server.ts";

/** Who may ask. */
export interface GcsFaceOptions {
  /** HMAC keys. */
  keys: { accessId: string; secret: string };
  /** An OAuth token. */
  token: string;
}

const WORDS = {
  google: { algorithm: "GOOG4-HMAC-SHA256", key: "GOOG4", prefix: "x-goog-", end: "goog4_request" },
  aws: { algorithm: "AWS4-HMAC-SHA256", key: "AWS4", prefix: "x-amz-", end: "aws4_request" },
} as const;

/** Starts one. */
export async function startGcsFace(server: S3Server, { keys, token }: GcsFaceOptions): Promise<Loopback> {
  const generations = new Map<string, string>();
  const tags = new Map<string, string>();
  /** The generation of a tag: made up, but always the same one for the same bytes under a key. */
  function generationOf(path: string, tag: string): string {
    const name = `${path} ${tag}`;
    const known = generations.get(name);
    if (known !== undefined) return known;
    const made = String(1_700_000_000_000_000 + generations.size);
    generations.set(name, made);
    tags.set(`${path} ${made}`, tag);
    return made;
  }
  const pathOf = ({ path }: SeenRequest): string => path.split("?")[0]!;
  return await startLoopback({
    target: server.endpoint,
    fate(request): Fate {
      const { headers } = request;
      const mixed = Object.keys(headers).filter((name) => name.startsWith("x-amz-"));
      if (mixed.length > 0) return { status: 400, body: `both kinds of headers: ${mixed}` };
      const authorization = headers["authorization"] ?? "";
      if (authorization === `Bearer ${token}`) return "pass";
      if (authorization.startsWith(WORDS.google.algorithm)) {
        const [, names = ""] = /SignedHeaders=([^,]+)/.exec(authorization) ?? [];
        const expected = sign(request, names.split(";"), WORDS.google, keys.accessId, keys.secret, "auto/storage");
        if (expected === authorization) return "pass";
      }
      return { status: 403, body: "<Error><Code>SignatureDoesNotMatch</Code></Error>" };
    },
    rewrite(request) {
      const { headers } = request;
      delete headers["authorization"];
      for (const [name, value] of Object.entries(headers)) {
        if (name.startsWith("x-goog-meta-")) headers[`x-amz-meta-${name.slice(12)}`] = value;
        if (name === "x-goog-if-generation-match") {
          if (value === "0") headers["if-none-match"] = "*";
          else headers["if-match"] = tags.get(`${pathOf(request)} ${value}`) ?? "0".repeat(32);
        }
        if (name.startsWith("x-goog-")) delete headers[name];
      }
      headers["x-amz-date"] = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
      headers["x-amz-content-sha256"] = createHash("sha256").update(request.body).digest("hex");
      const names = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-amz-")).sort();
      const { accessKeyId, secretAccessKey } = server.credentials;
      headers["authorization"] = sign(request, names, WORDS.aws, accessKeyId, secretAccessKey, `${server.region}/s3`);
    },
    rewriteAnswer(head, request) {
      const tag = /^etag: *"?([^"\r]+)"?/im.exec(head)?.[1];
      const answer = head.replace(/^x-amz-meta-/gim, "x-goog-meta-");
      return tag === undefined ? answer : `${answer}\r\nx-goog-generation: ${generationOf(pathOf(request), tag)}`;
    },
  });
}

/** Signature version 4, in the words of either service. */
function sign(
  { method, path, headers }: SeenRequest,
  names: string[],
  words: (typeof WORDS)[keyof typeof WORDS],
  id: string,
  secret: string,
  place: string,
): string {
  const [at = "", query = ""] = path.split("?");
  const parameters = query === "" ? [] : query.split("&").map((each) => each.includes("=") ? each : `${each}=`).sort();
  const canonical = [
    ...[method, at, parameters.join("&"), ...names.map((name) => `${name}:${headers[name]}`), "", names.join(";")],
    headers[`${words.prefix}content-sha256`],
  ].join("\n");
  const date = headers[`${words.prefix}date`] ?? "";
  const scope = `${date.slice(0, 8)}/${place}/${words.end}`;
  const sum = createHash("sha256").update(canonical).digest("hex");
  let key: string | Uint8Array = words.key + secret;
  for (const part of scope.split("/")) key = createHmac("sha256", key).update(part).digest();
  const signature = createHmac("sha256", key).update([words.algorithm, date, scope, sum].join("\n")).digest("hex");
  return `${words.algorithm} Credential=${id}/${scope}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
}
