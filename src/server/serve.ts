import type { Server } from "node:http";
import type { Logger } from "pino";
import type { LoadOptions } from "../pipelines/index.ts";
import { InputError } from "../tensor/index.ts";
import { isLoopback } from "./access/host.ts";
import { type Keys, readKeys } from "./access/keys.ts";
import { createHttpServer, type Patience } from "./http-server.ts";
import { createModels, servedModels } from "./models.ts";
import { openServices, type ServiceOptions } from "./open-services.ts";
import type { PicturePlace } from "./store/picture-place.ts";
import { openPictures } from "./store/pictures.ts";

/** What a server is started with. */
export interface ServeOptions extends Omit<ServiceOptions, "machine" | "pictures" | "createQueue">, Patience {
  /** Where the gallery's pictures lie. Default: in a folder of `data`. */
  readonly pictures?: PicturePlace;
  /** Workers draw, which take jobs from Redis there: "redis://host:6379", or rediss:// with TLS. Default: this process draws. */
  readonly redis?: string;
  /** Default 127.0.0.1: this machine alone. */
  readonly host?: string;
  /** 0 takes any that is free. Default 7860. */
  readonly port?: number;
  /** Names or paths; the first is taken where a request names none. Default: all that are on this machine. */
  readonly models?: readonly string[];
  /** Models that stay in memory. Default 1. */
  readonly keepModels?: number;
  readonly load?: LoadOptions;
  /** A file of keys; one of them is asked for. */
  readonly keyFile?: string;
  /** Open to a network without keys. */
  readonly withoutKeys?: boolean;
  /** Requests a second of one client; 0 for any number. Default: 50 where a network can ask, else 0. */
  readonly requestsPerSecond?: number;
  /** Seconds that a job may go on when the server is told to stop. Default 10. */
  readonly grace?: number;
}

export interface RunningServer {
  /** Where it is reached from this machine. */
  readonly url: string;
  readonly port: number;
  /** Takes no more jobs, lets what is drawn go on for `grace` seconds, and closes all. */
  close(): Promise<void>;
}

/** Milliseconds that answers have to go out when the server stops. */
const LAST_WORDS = 1000;

/**
 * Opens data and models, and answers requests.
 *
 * @throws InputError where something of it cannot be had: the port, the folder, the place of pictures, a model, the keys
 */
export async function startServer(options: ServeOptions): Promise<RunningServer> {
  const { host = "127.0.0.1", port = 7860, data, log, grace = 10 } = options;
  const keys = await keysOf(options, host);
  const load: LoadOptions = { ...options.load, onNote: (line) => log.info(line) };
  const served = await servedModels(options.models ?? [], load);
  const { weights: _, precision: __, convolutions: ___, ...machine } = load;
  const requestsPerSecond = options.requestsPerSecond ?? (isLoopback(host) ? 0 : 50);
  const models = createModels({ served, load, keep: options.keepModels ?? 1 });
  const pictures = options.pictures && (await openPictures(options.pictures, log));
  const createQueue = options.redis === undefined ? undefined : await queueAt(options.redis, log);
  const opened = await openServices(models, keys, { ...options, pictures, machine, requestsPerSecond, createQueue });
  const { services } = opened;
  const server = createHttpServer(services, options);
  try {
    await listen(server, port, host);
  } catch (error) {
    await opened.stop(0);
    await opened.close();
    throw error;
  }
  await services.jobs.start();
  const address = server.address() as { port: number };
  const url = `http://${urlHost(host)}:${address.port}`;
  log.info({ url, data, models: served.map(({ name }) => name) }, "listening");
  return {
    url,
    port: address.port,
    async close() {
      log.info("stopping");
      // Meanwhile requests are answered: those who watch are told how their job ends, or that it will go on.
      await opened.stop(grace);
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), LAST_WORDS).unref();
      });
      await opened.close();
      log.info("stopped");
    },
  };
}

/** A queue for workers; says in the log what could be lost there. */
async function queueAt(address: string, log: Logger): Promise<ServiceOptions["createQueue"]> {
  const { connectRedis, lossesOf } = await import("./redis/connect.ts");
  const { createRedisQueue } = await import("./redis/redis-queue.ts");
  const redis = await connectRedis(address, log);
  const losses = await lossesOf(redis.client);
  if (losses !== undefined) log.warn({ redis: redis.shown }, losses);
  return (options) => createRedisQueue(redis, options);
}

/** @throws InputError where a network could ask and nobody would be asked for a key */
async function keysOf({ keyFile, withoutKeys }: ServeOptions, host: string): Promise<Keys | undefined> {
  const keys = keyFile === undefined ? undefined : await readKeys(keyFile);
  if (keys?.size === 0) throw new InputError(`${keyFile} holds no key. inkling serve --new-key NAME makes one.`);
  if (keys || isLoopback(host) || withoutKeys) return keys;
  throw new InputError(
    `Whoever reaches ${host} could draw here. Make a key (inkling serve --new-key NAME --api-key-file keys.txt) and give ` +
      "--api-key-file keys.txt, or say --without-keys.",
  );
}

/** @throws InputError where the address is taken, or none of this machine */
function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new InputError(listenProblem(error, port, host), { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}

function listenProblem({ code, message }: NodeJS.ErrnoException, port: number, host: string): string {
  switch (code) {
    case "EADDRINUSE":
      return `Port ${port} of ${host} is taken: something runs there already. Stop it, or take another with --port.`;
    case "EACCES":
      return `Port ${port} may not be opened: take one from 1024 on with --port.`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `${host} is no address of this machine.`;
    default:
      return `The server cannot listen at ${host}, port ${port}: ${message}.`;
  }
}

/** What a browser of this machine asks for. */
function urlHost(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}
