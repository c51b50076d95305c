import type { Redis } from "ioredis";
import type { Logger } from "pino";
import { InputError } from "../../tensor/index.ts";
import { shownAddress } from "../../training/redis-address.ts";

/** A Redis server that is reached, and reached again whenever it was away. */
export interface RedisPlace {
  /** Its address without user and password. */
  readonly shown: string;
  /** What is asked of it while it is away waits until it is back. */
  readonly client: Redis;
  /** A connection more: for who waits at it, or listens. */
  another(): Redis;
  /** Ends all connections. What is still asked for fails. */
  close(): void;
}

/** Milliseconds until it is tried again, at most. */
const LONGEST_PAUSE = 1000;

/**
 * Connects to the server of `redis://user:password@host:6379/database` (`rediss://` with TLS).
 *
 * @throws InputError where it cannot be reached, or lets nobody in
 */
export async function connectRedis(address: string, log: Logger): Promise<RedisPlace> {
  const { Redis } = await import("ioredis");
  const shown = shownAddress(address);
  const all: Redis[] = [];
  let [reached, away, closed] = [false, false, false];
  let trouble = "";
  const open = (): Redis => {
    const redis = new Redis(address, {
      lazyConnect: true,
      maxRetriesPerRequest: null,
      retryStrategy: (times) => (reached && !closed ? Math.min(50 * times, LONGEST_PAUSE) : null),
    });
    // Its message alone: what was sent, a password among it, hangs on some errors.
    redis.on("error", ({ message }: Error) => {
      trouble = message;
    });
    all.push(redis);
    return redis;
  };
  const client = open();
  await client.connect().catch((error: Error) => {
    throw new InputError(`There is no Redis server at ${shown}: ${trouble || error.message}.`);
  });
  reached = true;
  client.on("close", () => {
    if (!away && !closed) log.warn({ redis: shown, trouble }, "Redis is away: what is to go there waits");
    away = true;
  });
  client.on("ready", () => {
    if (away) log.info({ redis: shown }, "Redis is back");
    away = false;
  });
  return {
    shown,
    client,
    another() {
      const redis = open();
      redis.connect().catch(() => {});
      return redis;
    },
    close() {
      closed = true;
      for (const redis of all) redis.disconnect();
    },
  };
}

/** What a server at Redis would lose when it ends at a bad moment, in one sentence; undefined where it keeps everything. */
export async function lossesOf(client: Redis): Promise<string | undefined> {
  const [kept, flushed] = await Promise.all(
    ["appendonly", "appendfsync"].map(async (name) => ((await client.config("GET", name)) as string[])[1]),
  ).catch(() => []);
  if (kept === undefined)
    return "Redis does not say whether it keeps what it is told: see to appendonly yes, appendfsync always.";
  if (kept !== "yes")
    return "Redis keeps nothing (appendonly no): when it ends, finished pictures on their way here are drawn again.";
  if (flushed === "always") return undefined;
  return `Redis may lose its last second (appendfsync ${flushed}): pictures in it would be drawn again. appendfsync always loses none.`;
}

/** An error as a log may have it: ioredis hangs what was sent on some, and that may hold prompts and pictures. */
export function withoutCommand(error: unknown): unknown {
  if (error instanceof Error && "command" in error) delete error.command;
  return error;
}
