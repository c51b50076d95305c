import { seedSequence } from "../../tensor/index.ts";
import type { Chance } from "./dataset.ts";

/**
 * Random numbers that are fixed by a few integers ≥ 0, and independent where one of these differs: any epoch, any place is
 * reached without going through those before. Small Fast Counter, "sfc32" of PractRand (Doty-Humphrey 2010), whose 128
 * bits of state NumPy's SeedSequence mixes.
 */
export function chanceOf(seed: number, ...key: readonly number[]): Chance {
  let [a, b, c, counter] = seedSequence(BigInt(seed), key, 4, 4) as [number, number, number, number];
  return () => {
    const next = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + next) | 0;
    return (next >>> 0) / 2 ** 32;
  };
}

/** An integer, 0 ≤ n < `below`. */
export const below = (chance: Chance, limit: number): number => Math.floor(chance() * limit);

/** True as often as `share` says. */
export const likely = (chance: Chance, share: number): boolean => chance() < share;

/** One of a list that is not empty. */
export const oneOf = <T>(chance: Chance, list: readonly T[]): T => list[below(chance, list.length)]!;

/** A name, as often as its weight says. */
export function weighted<Name extends string>(chance: Chance, weights: Readonly<Record<Name, number>>): Name {
  const entries = Object.entries<number>(weights) as [Name, number][];
  let rest = chance() * entries.reduce((total, [, weight]) => total + weight, 0);
  for (const [name, weight] of entries) {
    rest -= weight;
    if (rest < 0) return name;
  }
  return entries[0]![0];
}

/** The list in another order (Fisher & Yates, Durstenfeld 1964). */
export function shuffled<T>(chance: Chance, list: readonly T[]): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = below(chance, i + 1);
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
