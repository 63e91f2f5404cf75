/**
 * A server on loopback that reads requests, notes them, and answers: with what a test says, with what a real server behind
 * it answers, or with that after an accident. Made of sockets, so that it can cut, double and delay in every runtime.
 *
 * Each answer ends its connection.
 */
import { Buffer } from "node:buffer";
import { connect, createServer, type Socket } from "node:net";

/** A request as it came. */
export interface SeenRequest {
  method: string;
  /** With the query. */
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Buffer;
}

/** What happens to a request. */
export type Fate =
  /** It goes to the server behind, and its answer comes back. */
  | "pass"
  /** The connection is cut, and the server behind hears nothing. */
  | "cut before"
  /** The server behind does as it is told, and the connection is cut before its answer comes. */
  | "cut after"
  /** Half of the answer's body comes. */
  | "truncate"
  /** The answer comes twice. */
  | "double"
  /** Nothing happens, for ever. */
  | "hang"
  | Answer;

/** An answer of the test's own. */
export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

/** How a loopback server works. */
export interface LoopbackOptions {
  /** `http://127.0.0.1:PORT` of the server behind. */
  target?: string;
  /** What happens to a request; it passes unless told. */
  fate?: (request: SeenRequest) => Fate | Promise<Fate>;
  /** Changes a request before it passes. */
  rewrite?: (request: SeenRequest) => void;
  /** Changes the head of an answer that came back. */
  rewriteAnswer?: (head: string, request: SeenRequest) => string;
}

/** A loopback server. */
export interface Loopback {
  readonly endpoint: string;
  readonly requests: SeenRequest[];
  options: LoopbackOptions;
  stop(): Promise<void>;
}

/** Starts one. */
export async function startLoopback(options: LoopbackOptions): Promise<Loopback> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    serve(socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const loopback: Loopback = {
    endpoint: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    requests: [],
    options,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return loopback;

  async function serve(socket: Socket): Promise<void> {
    const request = await readRequest(socket);
    if (request === undefined) return;
    loopback.requests.push(request);
    const fate = await loopback.options.fate?.(request) ?? "pass";
    if (typeof fate === "object") return send(socket, answerBytes(fate, request.method));
    if (fate === "hang") return;
    if (fate === "cut before") return void socket.destroy();
    loopback.options.rewrite?.(request);
    let answer: Buffer = await forward(new URL(loopback.options.target!), request);
    const end = answer.indexOf("\r\n\r\n");
    if (loopback.options.rewriteAnswer !== undefined && end > 0) {
      const head = loopback.options.rewriteAnswer(answer.subarray(0, end).toString("latin1"), request);
      answer = Buffer.concat([Buffer.from(head, "latin1"), answer.subarray(end)]);
    }
    if (answer.length === 0 || fate === "cut after") return void socket.destroy();
    if (fate === "truncate") {
      const bodyAt = answer.indexOf("\r\n\r\n") + 4;
      const bodyBytes = answer.length - bodyAt;
      const kept = bodyBytes === 0 ? bodyAt >> 1 : bodyAt + (bodyBytes >> 1);
      socket.write(answer.subarray(0, kept), () => socket.destroy());
      return;
    }
    send(socket, fate === "double" ? Buffer.concat([answer, answer]) : answer);
  }
}

function send(socket: Socket, bytes: Uint8Array): void {
  socket.end(bytes);
}

/** Reads one request, whose length its head tells. */
function readRequest(socket: Socket): Promise<SeenRequest | undefined> {
  return new Promise((resolve) => {
    let pieces: Buffer[] = [];
    let length = 0;
    let head: SeenRequest | undefined;
    let wanted = Infinity;
    socket.on("data", (piece: Buffer) => {
      pieces.push(piece);
      length += piece.length;
      if (head === undefined) {
        const all = Buffer.concat(pieces);
        const end = all.indexOf("\r\n\r\n");
        if (end < 0) return;
        head = parseHead(all.subarray(0, end).toString("latin1"));
        wanted = end + 4 + Number(head.headers["content-length"] ?? 0);
        pieces = [all];
        if (/100-continue/i.test(head.headers["expect"] ?? "")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      }
      if (length < wanted) return;
      const all = Buffer.concat(pieces);
      resolve({ ...head, body: all.subarray(all.indexOf("\r\n\r\n") + 4) });
    });
    socket.once("close", () => resolve(undefined));
  });
}

function parseHead(text: string): SeenRequest {
  const [line = "", ...lines] = text.split("\r\n");
  const [method = "", path = ""] = line.split(" ");
  const headers: Record<string, string> = {};
  for (const each of lines) {
    const colon = each.indexOf(":");
    headers[each.slice(0, colon).toLowerCase()] = each.slice(colon + 1).trim();
  }
  return { method, path, headers, body: Buffer.alloc(0) };
}

/** Sends a request on, and gives all bytes of its answer; none when the server is not there. */
function forward(target: URL, { method, path, headers, body }: SeenRequest): Promise<Buffer> {
  const kept = Object.entries(headers).filter(([name]) => name !== "connection" && name !== "expect");
  const head = [`${method} ${path} HTTP/1.1`, ...kept.map(([name, value]) => `${name}: ${value}`), "connection: close"];
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    const socket = connect(Number(target.port), target.hostname);
    socket.on("data", (piece: Buffer) => pieces.push(piece));
    socket.on("error", () => resolve(Buffer.alloc(0)));
    socket.on("close", () => resolve(withoutContinue(Buffer.concat(pieces))));
    socket.write(`${head.join("\r\n")}\r\n\r\n`, "latin1");
    socket.write(body);
  });
}

function withoutContinue(answer: Buffer): Buffer {
  const text = answer.subarray(0, 30).toString("latin1");
  return /^HTTP\/1\.1 100 /.test(text) ? answer.subarray(answer.indexOf("\r\n\r\n") + 4) : answer;
}

function answerBytes({ status, headers = {}, body = "" }: Answer, method: string): Buffer {
  const bytes = Buffer.from(body as Uint8Array);
  const all = { "content-length": String(bytes.length), connection: "close", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  const head = Buffer.from(`HTTP/1.1 ${status} Status\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return method === "HEAD" ? head : Buffer.concat([head, bytes]);
}

/** An error as S3 answers it. */
export function errorAnswer(status: number, code: string, message = "", headers: Record<string, string> = {}): Answer {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status, headers: { "content-type": "application/xml", ...headers }, body };
}
