import type { Server } from "node:http";
import type { Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { createApp } from "./app.ts";
import type { Services } from "./services.ts";

/** How long slow clients have. */
export interface Patience {
  /** Seconds in which a request has to come whole, its headers in a quarter of that. Default 60. */
  readonly requestSeconds?: number;
  /** Seconds in which a client has to take something of what waits for it; making an answer may take as long as it does. Default 60. */
  readonly stallSeconds?: number;
}

/** Connections that may be open beside those that watch. */
const CONNECTIONS = 1000;

/** The server over HTTP. It does not listen yet. */
export function createHttpServer(services: Services, { requestSeconds = 60, stallSeconds = 60 }: Patience): Server {
  const requestTimeout = 1000 * requestSeconds;
  const server = createAdaptorServer({
    fetch: createApp(services).fetch,
    serverOptions: {
      requestTimeout,
      headersTimeout: requestTimeout / 4,
      connectionsCheckingInterval: requestTimeout / 20,
    },
  }) as Server;
  server.maxConnections = services.limits.watchers + CONNECTIONS;
  dropStalled(server, stallSeconds);
  return server;
}

/**
 * Hangs up on clients that take nothing of what waits for them. Sockets' own timeouts would not: they begin anew with every byte
 * that a client sends.
 */
function dropStalled(server: Server, seconds: number): void {
  const sockets = new Map<Socket, { taken: number; since: number }>();
  const look = (): void => {
    const now = performance.now() / 1000;
    for (const [socket, seen] of sockets) {
      const unsent = unsentOf(socket);
      const taken = socket.bytesWritten - unsent;
      if (unsent === 0 || taken !== seen.taken) sockets.set(socket, { taken, since: now });
      else if (now - seen.since > seconds) socket.resetAndDestroy();
    }
  };
  const timer = setInterval(look, 250 * seconds).unref();
  server.once("close", () => clearInterval(timer));
  server.on("connection", (socket: Socket) => {
    sockets.set(socket, { taken: 0, since: performance.now() / 1000 });
    socket.once("close", () => sockets.delete(socket));
  });
}

/** Bytes that the system has not taken yet. `writableLength` has those of a piece until all of it is gone, which may take minutes. */
function unsentOf(socket: Socket): number {
  // Node's own timeouts look at this, too; it is public nowhere.
  return (socket as { _handle?: { writeQueueSize?: number } | null })._handle?.writeQueueSize ?? 0;
}
