import { InputError, untilAborted } from "../tensor/index.ts";
import type { Post } from "./collectives.ts";

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
  /** Ends the connections; the first process takes along what nobody fetched. */
  close(): Promise<void>;
}

/**
 * Messages by way of a Redis server: a list for each pair of processes, one end of which is written while the other is waited
 * at. What is fetched is gone from the server. A connection that breaks is not made again: what was on its way would be lost.
 *
 * @throws InputError where no server can be reached
 */
export async function openRedisPost({ address, name, rank, size, signal }: RedisPostOptions): Promise<RedisPost> {
  const { Redis } = await import("ioredis");
  const shown = address.replace(/^(\w+:\/\/).*@/, "$1");
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
      sending
        .rpush(listOf(rank, to), Buffer.from(buffer, byteOffset, byteLength))
        .catch(fail)
        .catch(() => {});
    },
    async receive(from) {
      const fetched = waiting.blpopBuffer(listOf(from, rank), 0).catch(fail);
      const [, message] = (await untilAborted(fetched, ended))!;
      return new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
    },
    async close() {
      waiting.disconnect();
      if (rank === 0) {
        const all = Array.from({ length: size ** 2 }, (_, i) => listOf(i % size, Math.floor(i / size)));
        // Where the server is gone, so are they.
        await sending.unlink(...all).catch(() => {});
      }
      sending.disconnect();
    },
  };
}
