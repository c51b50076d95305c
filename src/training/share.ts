import type { Group } from "./group.ts";

/** Random numbers for some examples: the first dimension of every shape counts them. */
export interface Draws {
  /** Uniform in [0, 1). */
  rand(shape: readonly number[]): Float32Array;
  /** Standard normal. */
  randn(shape: readonly number[]): Float32Array;
  /** Integers in [low, high). */
  randint(low: number, high: number, shape: readonly number[]): number[];
}

type Place = Pick<Group, "rank" | "size">;
type List<T> = readonly T[] | Float32Array;

/** A process's share of what all have: as long as every other's, in the order of ranks. */
export function shareOf<L extends List<unknown>>(all: L, { rank, size }: Place): L {
  const length = all.length / size;
  return all.slice(rank * length, (rank + 1) * length) as L;
}

/** Draws for the examples of all processes, and gives the numbers of this one's. */
export function sharedDraws(random: Draws, place: Place): Draws {
  const whole = ([count, ...rest]: readonly number[]): number[] => [count! * place.size, ...rest];
  return {
    rand: (shape) => shareOf(random.rand(whole(shape)), place),
    randn: (shape) => shareOf(random.randn(whole(shape)), place),
    randint: (low, high, shape) => shareOf(random.randint(low, high, whole(shape)), place),
  };
}
