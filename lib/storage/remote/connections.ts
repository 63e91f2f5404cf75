/**
 * Connections of Deno, where requests are given up.
 *
 * - Deno sends a request a second time, by itself, when the connection breaks that it reused: also when that was destroyed on
 *   purpose. So what was aborted, or had its deadline, would be done after all, and keep the process alive until it is
 *   answered. It takes those for reused which say so; here none does, and a connection that breaks is an attempt that
 *   failed, as elsewhere.
 * - A request that is given up as it is made leaves its connection to the next, which then hears of an error twice. Clients
 *   listen once, and the second would end the program.
 *
 * @module
 */
import { Agent as HttpAgent, type ClientRequest } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";

/** Of one client. */
export interface Connections {
  /** For addresses that begin with `http:`. */
  http: HttpAgent;
  /** For `https:`. */
  https: HttpsAgent;
}

/** Where the runtime's own would send what was given up; undefined elsewhere. `maxSockets`: so many to one host. */
export function ownConnections(maxSockets = Infinity): Connections | undefined {
  if (!("Deno" in globalThis)) return undefined;
  const options = { keepAlive: true, maxSockets };
  return { http: new PlainAgent(options), https: new SecureAgent(options) };
}

class PlainAgent extends HttpAgent {
  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    takeAsNew(request);
  }
}

class SecureAgent extends HttpsAgent {
  override reuseSocket(socket: Duplex, request: ClientRequest): void {
    super.reuseSocket(socket, request);
    takeAsNew(request);
  }
}

function takeAsNew(request: ClientRequest): void {
  request.reusedSocket = false;
  request.on("error", () => {});
}
