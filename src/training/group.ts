/**
 * Processes that teach one model together, as one of them sees it. All of them ask for the same things in the same order: what
 * one asks for is over when all have asked for it.
 */
export interface Group {
  /** This process's place among them, 0 … size − 1. The first one alone writes. */
  readonly rank: number;
  readonly size: number;
  /** Adds up the numbers of all, in place: each of them ends with the same bits. */
  sum(values: Float32Array): Promise<void>;
  /** What the first one makes; the others are told, as JSON, and make nothing. */
  first<T>(make: () => T | Promise<T>): Promise<T>;
  /** What each says, by rank. */
  all(text: string): Promise<string[]>;
}

/** A process by itself. */
export const alone: Group = {
  rank: 0,
  size: 1,
  async sum() {},
  first: async (make) => make(),
  all: async (text) => [text],
};
