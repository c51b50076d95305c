import { readdir } from "node:fs/promises";
import type { Server } from "node:http";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context, Next } from "hono";
import { InputError } from "../../tensor/index.ts";
import { readScalars, type TrainEvent } from "../../training/index.ts";
import { type Point, pointOf } from "./curves.ts";
import { createHistory } from "./history.ts";

/** A page that shows how a run goes. */
export interface Watch {
  /** Where it is. */
  readonly address: string;
  event(event: TrainEvent): void;
  close(): Promise<void>;
}

export interface WatchOptions {
  /** What is learnt from, for people: "pictures". */
  readonly things: string;
  /** Of the model that learns: curves and pictures of earlier parts of the run lie there. */
  readonly folder: string;
  /** 0: one that is free. */
  readonly port: number;
}

/** What a page is told when it comes, and when it comes back. */
export interface WatchState {
  readonly folder: string;
  readonly things: string;
  readonly points: readonly Point[];
  /** The files' names, in their order. */
  readonly samples: readonly string[];
  /** The latest event of each kind. */
  readonly latest: readonly TrainEvent[];
}

/** The page as it was built, seen from the sources and from what was built of them. */
const PAGE = fileURLToPath(new URL("../../../dist/watch", import.meta.url));

/** Of samples: sheets of pictures, or texts. */
const SAMPLES = /^step-\d+\.(png|txt)$/;

/** Milliseconds that pages have to fetch the last event. */
const FAREWELL = 500;

/**
 * Serves a page that shows how a run goes, from its beginning on, to this machine alone.
 *
 * @throws InputError where the port is taken
 */
export async function openWatch({ folder, things, port }: WatchOptions): Promise<Watch> {
  const [{ serve }, { serveStatic }, { Hono }, { streamSSE }] = await Promise.all([
    import("@hono/node-server"),
    import("@hono/node-server/serve-static"),
    import("hono"),
    import("hono/streaming"),
  ]);
  const history = createHistory((await readScalars(join(folder, "logs"))).flatMap((logged) => pointOf(logged) ?? []));
  const drawn = await readdir(join(folder, "samples")).catch(() => []);
  const samples = new Set(drawn.filter((name) => SAMPLES.test(name)).sort());
  const latest = new Map<TrainEvent["type"], TrainEvent>();
  const readers = new Set<Reader>();

  const app = new Hono();
  app.use(forThisMachine);
  app.get("/events", (c) =>
    streamSSE(c, async (stream) => {
      let written = Promise.resolve();
      const send = (event: string, data: object): void => {
        written = written.then(() => stream.writeSSE({ event, data: JSON.stringify(data) }));
      };
      const state = { folder, things, points: history.points(), samples: [...samples], latest: [...latest.values()] };
      send("state", state satisfies WatchState);
      await new Promise<void>((end) => {
        const reader = { tell: (event: TrainEvent) => send("told", event), end };
        readers.add(reader);
        stream.onAbort(() => {
          readers.delete(reader);
          end();
        });
      });
      await written;
    }),
  );
  app.use("/samples/*", serveStatic({ root: folder }));
  app.use(serveStatic({ root: PAGE }));

  const server = await new Promise<Server>((resolve, reject) => {
    const listening = serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, () => resolve(listening)) as Server;
    listening.once("error", (error: NodeJS.ErrnoException) => {
      const what = error.code === "EADDRINUSE" ? "is taken" : `cannot be listened at: ${error.message}`;
      reject(new InputError(`Port ${port} ${what}. Name another one: --watch 8123.`, { cause: error }));
    });
  });

  return {
    address: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    event(event) {
      if (event.type === "start") history.backTo(event.step);
      if (event.type === "recovered") history.backTo(event.from);
      if (event.type === "step") history.add(event);
      const told = event.type === "sample" ? { ...event, paths: event.paths.map((path) => basename(path)) } : event;
      if (told.type === "sample") for (const name of told.paths) samples.add(name);
      // In the order in which they came.
      latest.delete(told.type);
      latest.set(told.type, told);
      for (const { tell } of readers) tell(told);
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const { end } of readers) end();
      const timer = setTimeout(() => server.closeAllConnections(), FAREWELL);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** A page that listens. */
interface Reader {
  tell(event: TrainEvent): void;
  end(): void;
}

/**
 * Answers those alone who ask for this machine by its own name: a page from elsewhere that makes a name of its own lead here (DNS
 * rebinding) asks by that. What is sent loads nothing from elsewhere.
 */
async function forThisMachine(c: Context, next: Next): Promise<Response | undefined> {
  const host = c.req.header("host")?.replace(/:\d+$/, "");
  if (host !== "127.0.0.1" && host !== "localhost")
    return c.text("This page is for the machine that it runs on.\n", 403);
  await next();
  c.header(
    "Content-Security-Policy",
    "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  );
  c.header("X-Content-Type-Options", "nosniff");
  c.header("Cache-Control", "no-store");
  return undefined;
}
