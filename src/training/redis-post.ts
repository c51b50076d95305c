import { InputError, untilAborted } from "../tensor/index.ts";
import type { Post } from "./collectives.ts";
import { shownAddress } from "./redis-address.ts";

export interface RedisPostOptions {
  /** "redis://host:6379" (rediss:// with TLS), or the path of a server's socket. */
  readonly address: string;
  /** Of the group: another one on the same server has another name. */
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  /** Ends the waiting for a message, with its reason. */
  readonly signal?: AbortSignal;
}

export interface RedisPost extends Post {
  /** Deletes what nobody fetched: for who knows that all others have ended. */
  clear(): Promise<void>;
  /** Ends the connections when all that was sent has arrived. */
  close(): Promise<void>;
}

/** Seconds after which a server lets go of messages that nobody fetched, all processes having been killed. */
const FORGOTTEN = 86_400;

/**
 * Messages by way of a Redis server: a list for each pair of processes, one end of which is written while the other is waited
 * at. What is fetched is gone from the server. A connection that breaks is not made again: what was on its way would be lost.
 *
 * @throws InputError where no server can be reached
 */
export async function openRedisPost({ address, name, rank, size, signal }: RedisPostOptions): Promise<RedisPost> {
  const { Redis } = await import("ioredis");
  const shown = shownAddress(address);
  let trouble: Error | undefined;
  const connect = async () => {
    const redis = new Redis(address, { lazyConnect: true, retryStrategy: () => null });
    redis.on("error", (error: Error) => {
      trouble = error;
    });
    await redis.connect().catch((error: Error) => {
      throw new InputError(`There is no Redis server at ${shown}: ${(trouble ?? error).message}.`, { cause: error });
    });
    return redis;
  };
  // Who waits at one connection cannot send by it.
  const [sending, waiting] = [await connect(), await connect()];
  const listOf = (from: number, to: number): string => `inkling:${name}:${from}>${to}`;
  const failed = new AbortController();
  const fail = (error: Error): never => {
    const message = `The Redis server at ${shown} failed: ${(trouble ?? error).message}.`;
    failed.abort(new InputError(message, { cause: error }));
    throw failed.signal.reason;
  };
  const ended = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;

  return {
    rank,
    size,
    send(to, { buffer, byteOffset, byteLength }) {
      const list = listOf(rank, to);
      const sent = [sending.rpush(list, Buffer.from(buffer, byteOffset, byteLength)), sending.expire(list, FORGOTTEN)];
      Promise.all(sent)
        .catch(fail)
        .catch(() => {});
    },
    async receive(from) {
      const fetched = waiting.blpopBuffer(listOf(from, rank), 0).catch(fail);
      const [, message] = (await untilAborted(fetched, ended))!;
      return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
    },
    async clear() {
      const all = Array.from({ length: size ** 2 }, (_, i) => listOf(i % size, Math.floor(i / size)));
      // Where the server is gone, so are they.
      await sending.unlink(...all).catch(() => {});
    },
    async close() {
      waiting.disconnect();
      // Where the server is gone nothing arrives any more.
      await sending.quit().catch(() => {});
    },
  };
}
