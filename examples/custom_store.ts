/**
 * Backups in a place of your own: a small HTTP service, and the object store that speaks to it.
 *
 *     node examples/custom_store.ts
 *
 * @module
 */
import { BackupRepository, checkKey, DB, StorageError } from "@holdfast/db";
import type { GetOptions, ListPage, ObjectBody, ObjectInfo, ObjectStore, PutOptions, StoredObject } from "@holdfast/db";
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fact, promise, scratch, size, step, title } from "./show.ts";

// ---- the service: GET, HEAD, PUT and DELETE of /KEY, and GET /?prefix=&after= for a list. Yours exists already.

const objects = new Map<string, { bytes: Uint8Array; etag: string }>();
const PAGE = 100;
let [puts, requests] = [0, 0];

async function serve(request: IncomingMessage, answer: ServerResponse): Promise<unknown> {
  requests++;
  const url = new URL(request.url ?? "/", "http://service");
  const key = url.pathname.slice(1);
  const body = Buffer.concat(await Array.fromAsync(request));
  // From here on nothing is awaited: looking and writing are one step, which is what the conditions promise.
  const found = objects.get(key);
  if (key === "") {
    const [prefix, after] = [url.searchParams.get("prefix") ?? "", url.searchParams.get("after") ?? ""];
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort().slice(0, PAGE);
    return answer.end(JSON.stringify(keys.map((key) => ({ key, size: objects.get(key)!.bytes.length }))));
  }
  if (request.method === "PUT") {
    const { "if-match": match, "if-none-match": noneMatch } = request.headers;
    if (noneMatch === "*" ? found !== undefined : match !== undefined && match !== found?.etag) {
      return answer.writeHead(412).end();
    }
    const etag = `"${++puts}"`;
    objects.set(key, { bytes: new Uint8Array(body), etag });
    return answer.setHeader("etag", etag).end();
  }
  if (request.method === "DELETE") return answer.writeHead(objects.delete(key) ? 200 : 404).end();
  if (found === undefined) return answer.writeHead(404).end();
  answer.setHeader("etag", found.etag).setHeader("x-size", found.bytes.length);
  const [from, to] = [url.searchParams.get("from"), url.searchParams.get("to")];
  return answer.end(request.method === "HEAD" ? undefined : found.bytes.subarray(Number(from), Number(to)));
}

// ---- the store: the only part that you would write

/** Objects behind a URL. `tests/storage/store_suite.ts` is the list of what a store must do; run it over yours. */
class HttpStore implements ObjectStore {
  readonly name: string;
  readonly capabilities = { ifAbsent: true, ifMatch: true, ranges: true };
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
    this.name = `service at ${url}`;
  }

  async put(key: string, body: ObjectBody, options: PutOptions = {}): Promise<{ etag: string } | undefined> {
    if (options.ifAbsent && options.ifMatch !== undefined) throw new TypeError("put: ifAbsent or ifMatch, not both");
    const headers: Record<string, string> = {};
    if (options.ifAbsent) headers["if-none-match"] = "*";
    if (options.ifMatch !== undefined) headers["if-match"] = options.ifMatch;
    // Collected first, so that a body that breaks off was never sent.
    const response = await this.#ask(
      "put",
      key,
      { method: "PUT", headers, body: await collect(body, options.signal) },
      options.signal,
    );
    return response.status === 412 ? undefined : { etag: response.headers.get("etag") ?? "" };
  }

  async get(key: string, options: GetOptions = {}): Promise<StoredObject | undefined> {
    const { offset = 0, length = Infinity, signal } = options;
    const range = `?from=${offset}&to=${Math.min(offset + length, Number.MAX_SAFE_INTEGER)}`;
    const response = await this.#ask("get", key, {}, signal, range);
    if (response.status === 404) return undefined;
    const size = Number(response.headers.get("x-size"));
    const whole = offset === 0 && length >= size;
    return { size, etag: whole ? response.headers.get("etag") ?? undefined : undefined, body: response.body ?? none() };
  }

  async head(key: string, options: { signal?: AbortSignal | undefined } = {}): Promise<ObjectInfo | undefined> {
    const response = await this.#ask("head", key, { method: "HEAD" }, options.signal);
    return response.status === 404 ? undefined : { key, size: Number(response.headers.get("x-size")) };
  }

  async list({ prefix = "", after = "", limit = 1000, signal }: Parameters<ObjectStore["list"]>[0] = {}): Promise<
    ListPage
  > {
    const query = `?${new URLSearchParams({ prefix, after })}`;
    const found = await (await this.#ask("list", "", {}, signal, query)).json() as ObjectInfo[];
    const objects = found.slice(0, limit);
    // A full page of the service may be followed by another one.
    const more = found.length > limit || found.length === PAGE;
    return { objects, next: more ? objects.at(-1)!.key : undefined };
  }

  async delete(key: string, options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    await this.#ask("delete", key, { method: "DELETE" }, options.signal);
  }

  /** A request whose answer is one that was reckoned with; everything else is a `StorageError`. */
  async #ask(
    operation: string,
    key: string,
    init: RequestInit,
    signal: AbortSignal | undefined,
    query = "",
  ): Promise<Response> {
    if (operation !== "list") checkKey(operation, key);
    signal?.throwIfAborted();
    const words = `Cannot ${operation} ${key} in ${this.name}`;
    let response: Response;
    try {
      response = await fetch(`${this.#url}/${key}${query}`, signal === undefined ? init : { ...init, signal });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new StorageError(`${words}: no answer (STORAGE)`, { operation, key, retryable: true }, { cause });
    }
    if (response.ok || response.status === 404 || response.status === 412) return response;
    const retryable = response.status >= 500 || response.status === 429;
    const { status } = response;
    throw new StorageError(`${words}: it answered ${status} (STORAGE)`, { operation, key, status, retryable });
  }
}

/** All of a body, or the signal's reason as soon as it fires, even if the body hangs. */
function collect(body: ObjectBody, signal: AbortSignal | undefined): Promise<Blob> {
  return new Promise((resolve, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    const read = async (): Promise<Blob> => {
      if (body instanceof Uint8Array) return new Blob([body.slice()]);
      const parts: Uint8Array<ArrayBuffer>[] = [];
      for await (const piece of body) {
        signal?.throwIfAborted();
        parts.push(piece.slice());
      }
      return new Blob(parts);
    };
    read().then(resolve, reject);
  });
}

async function* none(): AsyncGenerator<Uint8Array> {}

// ---- a database, backed up there

title("A store of your own", "Backups in an HTTP service, through 80 lines that speak to it");
await using home = await scratch("custom-store");
const server = createServer((request, answer) => void serve(request, answer));
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const store = new HttpStore(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);

step("A full backup, then what has changed since");
await using db = await DB.open(`${home.path}/notes`);
await db.setMany(Array.from({ length: 5000 }, (_, i) => [`note/${i}`, { text: `This is note ${i}`, stars: i % 5 }]));
const first = await db.backup(store);
await db.set("note/new", { text: "Written after the backup", stars: 5 });
const second = await db.backup(store);
for (const info of [first, second]) fact(info.type, `${info.entryCount} entries, ${size(info.storedBytes)}`);
fact("the service", `${objects.size} objects, ${requests} requests`);
promise(objects.size > 0, "all of it is in the service, nothing on this disk");

step("Is it any good?");
const repository = await BackupRepository.open(store);
promise((await repository.list()).length === 2, "the service holds two backups");
const report = await repository.verify();
promise(report.ok, "every byte of them is as it was written");

step("The database is lost; back it comes");
await DB.restore(store, `${home.path}/restored`);
await using restored = await DB.open(`${home.path}/restored`);
promise(await restored.count() === 5001, "5,001 notes came back");
promise(await restored.has("note/new"), "the last one among them");
server.close();
server.closeAllConnections();
