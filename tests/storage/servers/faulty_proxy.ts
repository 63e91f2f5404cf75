/**
 * A faulty network between a client and a server that speaks plain HTTP: a proxy on this machine that passes requests on as
 * they are (also the `Host` header, which signatures cover), notes them, and fails as it is told.
 *
 * ```
 * client ──► proxy ──► server
 *              │  refuse, status: the server never hears of it
 *              │  cutRequest:     half of the body reaches the proxy, the server hears nothing
 *              │  lose, answer:   the server does it, the client is not told, or told otherwise
 *              └  truncate:       the answer breaks off half-way
 * ```
 */
import { Buffer } from "node:buffer";
import { Agent, createServer, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** How a request fails. */
export type Fault =
  /** The connection is cut before anything is done. */
  | { do: "refuse" }
  /** The connection is cut in the middle of the request's body. */
  | { do: "cutRequest" }
  /** It is done, and the connection cut instead of an answer. */
  | { do: "lose" }
  /** It is done, and the answer's body breaks off half-way. */
  | { do: "truncate" }
  /** It is done, and one byte in the middle of the answer's body is another. */
  | { do: "damage" }
  /** One byte in the middle of the request's body is another. */
  | { do: "damageRequest" }
  /** It is not done, and answered with a status, such as 503. */
  | { do: "status"; status: number; headers?: Record<string, string> }
  /** It is done, and answered with a status all the same. */
  | { do: "answer"; status: number; headers?: Record<string, string> }
  /** It waits before it is done. */
  | { do: "delay"; ms: number }
  /** It is done, and never answered. */
  | { do: "hang" };

/** A request that came by. */
export interface PassedRequest {
  /** The first is 0. */
  index: number;
  method: string;
  /** Path and query, as they were sent. */
  url: string;
  headers: Record<string, string | string[] | undefined>;
  bodyBytes: number;
  /** What was done to it. */
  fault: Fault | undefined;
  /** The status that the server answered, where it was asked. */
  status?: number | undefined;
}

/** A running proxy. */
export interface FaultyProxy {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** All that came by, in order. */
  readonly passed: PassedRequest[];
  /** Decides over each request, which waits for it; none fails unless set. */
  faultOf: (request: PassedRequest) => Fault | undefined | Promise<Fault | undefined>;
  /** Ends it, with all its connections. */
  close(): Promise<void>;
}

/** Starts a proxy before `target`, `http://127.0.0.1:PORT`. */
export async function startFaultyProxy(target: string): Promise<FaultyProxy> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const passed: PassedRequest[] = [];

  const passOn = (from: IncomingMessage, body: Buffer): Promise<{ answer: IncomingMessage; bytes: Buffer }> =>
    new Promise((resolve, reject) => {
      const headers = { ...from.headers };
      delete headers["transfer-encoding"];
      headers["content-length"] = String(body.length);
      const to = httpRequest(
        { hostname, port, agent, method: from.method, path: from.url, headers, setHost: false },
        (answer) => void collect(answer).then((bytes) => resolve({ answer, bytes }), reject),
      );
      to.once("error", reject);
      to.end(body);
    });

  const serve = async (from: IncomingMessage, to: ServerResponse): Promise<void> => {
    const { method = "", url = "", headers } = from;
    const about: PassedRequest = { index: passed.length, method, url, headers, bodyBytes: 0, fault: undefined };
    passed.push(about);
    const fault = about.fault = await proxy.faultOf(about);
    if (fault?.do === "refuse") return void from.socket.destroy();
    if (fault?.do === "cutRequest") {
      from.once("data", () => from.socket.destroy());
      if (headers["content-length"] === undefined || headers["content-length"] === "0") from.socket.destroy();
      return;
    }
    const body = await collect(from);
    about.bodyBytes = body.length;
    if (fault?.do === "status") return void to.writeHead(fault.status, fault.headers).end();
    if (fault?.do === "damageRequest" && body.length > 0) body[body.length >> 1]! ^= 1;
    if (fault?.do === "delay") await new Promise((resolve) => setTimeout(resolve, fault.ms));
    const { answer, bytes } = await passOn(from, body);
    about.status = answer.statusCode;
    switch (fault?.do) {
      case "lose":
        return void from.socket.destroy();
      case "hang":
        return;
      case "answer":
        return void to.writeHead(fault.status, fault.headers).end();
      default:
    }
    const answered = { ...answer.headers };
    delete answered["transfer-encoding"];
    delete answered["connection"];
    // An answer to HEAD tells the length of what it does not have.
    if (method !== "HEAD") answered["content-length"] = String(bytes.length);
    if (fault?.do === "damage" && bytes.length > 0) bytes[bytes.length >> 1]! ^= 1;
    to.writeHead(answer.statusCode ?? 502, answered);
    if (fault?.do !== "truncate") return void to.end(bytes);
    to.write(bytes.subarray(0, bytes.length >> 1), () => from.socket.destroy());
  };

  const server = createServer((from, to) => {
    // A client that has given up is what it is for; a server that is not there is a connection that breaks.
    from.on("error", () => {});
    to.on("error", () => {});
    serve(from, to).catch(() => from.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy: FaultyProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    faultOf: () => undefined,
    close() {
      agent.destroy();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
  return proxy;
}

async function collect(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Faults drawn from a seeded generator (`random` gives 0 to 1): one in `every` requests fails, never more than three in a row. */
export function seededFaults(random: () => number, every: number): () => Fault | undefined {
  let row = 0;
  return () => {
    if (row >= 3 || random() * every >= 1) {
      row = 0;
      return undefined;
    }
    row++;
    const faults: Fault[] = [
      { do: "refuse" },
      { do: "cutRequest" },
      { do: "lose" },
      { do: "truncate" },
      { do: "status", status: 500 },
      { do: "status", status: 503, headers: { "retry-after": "0" } },
      { do: "status", status: 429 },
      { do: "answer", status: 500 },
      { do: "answer", status: 502 },
      { do: "delay", ms: 30 },
    ];
    return faults[Math.floor(random() * faults.length)];
  };
}
