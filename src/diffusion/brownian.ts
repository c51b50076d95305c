import { brownianMotion, expf } from "../tensor/index.ts";
import type { Level } from "./level.ts";

/** The stretch of noise levels, by sigma, for which a step of an SDE draws its noise. */
export type Stretch = readonly [from: number, to: number];

/**
 * Fresh standard normal noise, as large as the latents. The samplers that solve an SDE name the stretch of Brownian
 * motion that they mean: noise of one seed then belongs to the levels, however many steps there are.
 */
export type DrawNoise = (stretch?: Stretch) => Float32Array;

export interface BrownianNoiseOptions {
  /** The levels of the walk; the motion runs from the least above zero to the greatest. */
  readonly sigmas: readonly number[];
  readonly seed: number;
  /** Standard normal numbers that only `seed` decides. */
  randn(seed: number): Float32Array;
}

/** The increment of Brownian motion over a stretch, scaled to unit variance: k-diffusion's BrownianTreeNoiseSampler. */
export function brownianNoise({ sigmas, seed, randn }: BrownianNoiseOptions): (stretch: Stretch) => Float32Array {
  const levels = sigmas.filter((sigma) => sigma > 0);
  const motion = brownianMotion({ start: Math.min(...levels), end: Math.max(...levels), seed, randn });
  return ([from, to]) => {
    const sign = from < to ? 1 : -1;
    const length = Math.fround(Math.sqrt(Math.abs(Math.fround(to - from))));
    return motion(Math.min(from, to), Math.max(from, to)).map((w) => (sign * w) / length);
  };
}

/**
 * The levels of a step and its middle in log sigma as the reference's float32 has them, there and back through the
 * logarithm: a unit in the last place of sigma is another piece of the motion.
 */
export function reachedInLog(here: Level, next: Level): { from: number; middle: number; to: number } {
  const { fround, log } = Math;
  const [t, tNext] = [here, next].map(({ sigma }) => -fround(log(sigma))) as [number, number];
  const middle = fround(t + fround(fround(tNext - t) / 2));
  return { from: expf(-t), middle: expf(-middle), to: expf(-tNext) };
}
