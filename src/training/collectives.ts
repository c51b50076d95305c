import { viewBytes } from "../tensor/index.ts";
import type { Group } from "./group.ts";

/** Messages between processes. Those from one to another arrive in the order in which they were sent. */
export interface Post extends Pick<Group, "rank" | "size"> {
  /** Takes the bytes at once. What cannot be delivered shows where something is waited for. */
  send(to: number, message: Uint8Array): void;
  /** The next message from a process, as soon as there is one. */
  receive(from: number): Promise<Uint8Array>;
}

/** 4 MiB: sending, adding and receiving go on side by side from the first of several on. */
const PIECE = 1 << 20;

/** What a group does, in messages. */
export function groupOver(post: Post, piece = PIECE): Group {
  const { rank, size } = post;
  const everyone = Array.from({ length: size }, (_, k) => k);
  const others = everyone.filter((k) => k !== rank);
  const tell = (message: Uint8Array): void => {
    for (const k of others) post.send(k, message);
  };

  return {
    rank,
    size,
    /**
     * Reduce-scatter, then all-gather (Rabenseifner 2004): each process adds up a part of the numbers, in the order of ranks, and
     * sends the sums to all others. So each sends and receives its numbers twice, however many there are.
     */
    async sum(values) {
      const end = (k: number): number => Math.floor((k * values.length) / size);
      const partOf = (k: number) => pieces(values.subarray(end(k), end(k + 1)), piece);
      for (const k of others) for (const part of partOf(k)) post.send(k, bytesOf(part));
      for (const part of partOf(rank)) {
        const own = part.slice();
        for (const k of everyone) {
          const theirs = k === rank ? own : numbersOf(await post.receive(k));
          if (k === 0) part.set(theirs);
          else for (let i = 0; i < part.length; i++) part[i]! += theirs[i]!;
        }
        tell(bytesOf(part));
      }
      for (const k of others) for (const part of partOf(k)) part.set(numbersOf(await post.receive(k)));
    },
    async first<T>(make: () => T | Promise<T>): Promise<T> {
      if (rank > 0) return (JSON.parse(textOf(await post.receive(0))) as { value: T }).value;
      const value = await make();
      tell(new TextEncoder().encode(JSON.stringify({ value })));
      return value;
    },
    async all(text) {
      tell(new TextEncoder().encode(text));
      const said: string[] = [];
      for (const k of everyone) said.push(k === rank ? text : textOf(await post.receive(k)));
      return said;
    },
  };
}

function pieces(values: Float32Array, length: number): Float32Array[] {
  const count = Math.ceil(values.length / length);
  return Array.from({ length: count }, (_, i) => values.subarray(i * length, (i + 1) * length));
}

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const numbersOf = (message: Uint8Array): Float32Array => viewBytes("float32", message);
const textOf = (message: Uint8Array): string => new TextDecoder().decode(message);
