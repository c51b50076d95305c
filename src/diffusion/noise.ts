import { type PredictionType, predictionTypes } from "../configs/index.ts";
import { fromAlphaCumprod, type Level } from "./level.ts";
import { combine } from "./vector.ts";

/*
 * The forward process of DDPM: x_t = √ᾱ_t · x0 + √(1 − ᾱ_t) · ε (Ho et al. 2020, eq. 4). T: training timesteps.
 *
 * Published checkpoints were trained with tables in float32, and near t = 0 a last digit of ᾱ is 1e-4 of sigma. So the
 * tables are rounded to float32 exactly where PyTorch rounds: that is what all the `fround` are for.
 */

const { fround } = Math;

export type BetaSchedule = "linear" | "scaled_linear" | "squaredcos_cap_v2" | "sigmoid" | "exp";

export const betaSchedules: readonly BetaSchedule[] = [
  "linear",
  "scaled_linear",
  "squaredcos_cap_v2",
  "sigmoid",
  "exp",
];

export interface BetaOptions {
  /** T, the number of training timesteps. */
  steps: number;
  /** β of the first and the last timestep; ignored by squaredcos_cap_v2 and exp. */
  start: number;
  end: number;
}

/**
 * The noise added at each timestep, T values in [0, 1).
 *
 * linear: Ho et al. 2020. scaled_linear: linear in √β, Rombach et al. 2022. squaredcos_cap_v2: Nichol & Dhariwal 2021,
 * eq. 17. sigmoid: Xu et al. 2022 (GeoDiff). exp: ᾱ(t) = e^(−12t).
 */
export function betas(schedule: BetaSchedule, { steps, start, end }: BetaOptions): Float32Array {
  switch (schedule) {
    case "linear":
      return linspace32(start, end, steps);
    case "scaled_linear":
      return linspace32(Math.sqrt(start), Math.sqrt(end), steps).map((root) => fround(root * root));
    case "squaredcos_cap_v2":
      return betasFor((t) => Math.cos((((t + 0.008) / 1.008) * Math.PI) / 2) ** 2, steps);
    case "exp":
      return betasFor((t) => Math.exp(-12 * t), steps);
    case "sigmoid":
      return linspace32(-6, 6, steps).map((x) => fround(fround(1 / (1 + Math.exp(-x))) * fround(end - start)) + start);
  }
}

/** β from a continuous ᾱ(t), t in [0, 1], capped at 0.999 against singularity at the end. */
function betasFor(alphaBar: (t: number) => number, steps: number): Float32Array {
  return Float32Array.from({ length: steps }, (_, i) =>
    Math.min(1 - alphaBar((i + 1) / steps) / alphaBar(i / steps), 0.999),
  );
}

/** torch.linspace in float32: counted from the nearer end, one rounding per value. */
function linspace32(from: number, to: number, n: number): Float32Array {
  const [start, end] = [fround(from), fround(to)];
  const step = fround(fround(end - start) / (n - 1));
  return Float32Array.from({ length: n }, (_, i) => (i < n / 2 ? start + step * i : end - step * (n - 1 - i)));
}

/** ᾱ_t = Π (1 − β), T values falling from almost 1. */
export function alphasCumprod(beta: Float32Array): Float32Array {
  let product = 1;
  return beta.map((value) => {
    product *= fround(1 - value);
    return product;
  });
}

/** Shifts and scales √ᾱ so that the last timestep holds no signal at all (Lin et al. 2023, algorithm 1). */
export function zeroTerminalSnr(beta: Float32Array): Float32Array {
  const root = alphasCumprod(beta).map((value) => Math.sqrt(value));
  const [first, last] = [root[0]!, root.at(-1)!];
  const scale = fround(first / fround(first - last));
  const alphaBar = root.map((value) => fround(fround(fround(value - last) * scale) ** 2));
  return alphaBar.map((value, i) => fround(1 - (i === 0 ? value : fround(value / alphaBar[i - 1]!))));
}

/** The noise levels at which a network was trained. */
export interface NoiseTable {
  /** ᾱ_t, T values. */
  readonly alphasCumprod: Float32Array;
  /** √((1 − ᾱ_t) / ᾱ_t), rising. */
  readonly sigmas: Float32Array;
  readonly logSigmas: Float32Array;
}

export function noiseTable(cumprod: Float32Array): NoiseTable {
  const sigmas = cumprod.map((value) => Math.sqrt(fround(fround(1 - value) / value)));
  return { alphasCumprod: cumprod, sigmas, logSigmas: sigmas.map(Math.log) };
}

/** The variance-preserving level of integer timestep `t` in 0…T−1. */
export function levelAt(table: NoiseTable, t: number): Level {
  return fromAlphaCumprod(table.alphasCumprod[t]!, t);
}

/** Sigma at a fractional timestep, by straight lines between the trained ones (diffusers). */
export function sigmaAt(table: NoiseTable, t: number): number {
  return interpolate(table.sigmas, t);
}

/** Sigma at a fractional timestep, by straight lines between logarithms (k-diffusion). */
export function logSigmaAt(table: NoiseTable, t: number): number {
  return Math.exp(interpolate(table.logSigmas, t));
}

function interpolate(values: Float32Array, t: number): number {
  const at = Math.min(Math.max(t, 0), values.length - 1);
  const low = Math.min(Math.floor(at), values.length - 2);
  return values[low]! + (at - low) * (values[low + 1]! - values[low]!);
}

/** The fractional timestep whose log sigma lies at `sigma`; clamped to the table. */
export function timestepAt({ logSigmas }: NoiseTable, sigma: number): number {
  const logSigma = Math.log(Math.max(sigma, 1e-10));
  let low = 0;
  while (low < logSigmas.length - 2 && logSigmas[low + 1]! <= logSigma) low++;
  const weight = (logSigmas[low]! - logSigma) / (logSigmas[low]! - logSigmas[low + 1]!);
  const clipped = Math.min(Math.max(weight, 0), 1);
  return (1 - clipped) * low + clipped * (low + 1);
}

/** x at `level`: alpha · x0 + sigma · ε. */
export function addNoise(x0: Float32Array, noise: Float32Array, level: Level): Float32Array {
  return combine([level.alpha, x0], [level.sigma, noise]);
}

/** v = alpha · ε − sigma · x0 at a variance-preserving level (Salimans & Ho 2022, appendix D). */
export function velocity(x0: Float32Array, noise: Float32Array, level: Level): Float32Array {
  return combine([level.alpha, noise], [-level.sigma, x0]);
}

/** Signal-to-noise ratio alpha² / sigma². */
export function snrOf(level: Level): number {
  return (level.alpha / level.sigma) ** 2;
}

/** What a network predicts: the noise, Salimans & Ho's velocity, or the clean sample. */
export { type PredictionType, predictionTypes };

/** Loss weight min(SNR, γ) in the unit of the prediction's own loss (Hang et al. 2023, § 3.4). */
export function minSnrWeight(snr: number, gamma: number, type: PredictionType): number {
  const weight = Math.min(snr, gamma);
  return type === "epsilon" ? weight / snr : type === "v_prediction" ? weight / (snr + 1) : weight;
}
