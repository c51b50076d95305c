import { type Level, ratioOf } from "./level.ts";
import { type NoiseTable, type PredictionType, timestepAt } from "./noise.ts";
import type { Estimate } from "./sampler.ts";
import { combine } from "./vector.ts";

/**
 * What stands between a sampler, which thinks in clean latents at noise levels, and a network, which was trained to see
 * scaled inputs and timesteps and to predict something else.
 */
export interface Denoiser {
  /** Whether `interpret` is linear in `prediction` and `x`: nothing is clipped. */
  readonly linear: boolean;
  /** The network's input for latents `x` at `level`. */
  scaleInput(x: Float32Array, level: Level): Float32Array;
  /** The timestep that the network is told; may be fractional. */
  timestepOf(level: Level): number;
  /** The clean latents and the noise that `prediction` implies for `x` at `level`. */
  interpret(prediction: Float32Array, x: Float32Array, level: Level): Omit<Estimate, "prediction">;
}

/** Dynamic thresholding (Saharia et al. 2022, § 2.3): clip each picture at its own quantile and rescale. */
export interface Thresholding {
  /** Which quantile of |x0|, 0–1. */
  ratio: number;
  /** The clip never rises above this. */
  max: number;
}

export interface DenoiserOptions {
  predictionType: PredictionType;
  table: NoiseTable;
  /** Clip x0 to ±clip. */
  clip?: number;
  thresholding?: Thresholding;
  /** Keep the network's own ε when x0 is clipped, instead of the ε that fits the clipped x0. */
  keepEpsilon?: boolean;
  /** Pictures in x: thresholding looks at each by itself. */
  batch?: number;
}

/**
 * The denoiser of networks trained on the discrete timesteps of `table`. Their input has unit scale: x divided by
 * √(alpha² + sigma²), which is 1 in the variance-preserving frame and Karras's c_in in the exploding one.
 */
export function discreteDenoiser(options: DenoiserOptions): Denoiser {
  const { predictionType, table, clip, thresholding, keepEpsilon = false, batch = 1 } = options;
  const limit = (x0: Float32Array): Float32Array => {
    if (thresholding) return threshold(x0, thresholding, batch);
    return clip === undefined ? x0 : x0.map((value) => Math.min(Math.max(value, -clip), clip));
  };
  return {
    linear: clip === undefined && !thresholding,
    scaleInput(x, level) {
      const scale = scaleOf(level);
      return scale === 1 ? x : combine([1 / scale, x]);
    },
    timestepOf: (level) => level.timestep ?? timestepAt(table, ratioOf(level)),
    interpret(prediction, x, level) {
      const { x0, epsilon } = convert(predictionType, prediction, x, level);
      const limited = limit(x0);
      return { x0: limited, epsilon: limited === x0 || keepEpsilon ? epsilon : noiseIn(x, limited, level) };
    },
  };
}

function scaleOf({ alpha, sigma }: Level): number {
  const scale = Math.hypot(alpha, sigma);
  // Rounding aside, a variance-preserving level has scale 1 and its input is x itself, bit for bit.
  return Math.abs(scale - 1) < 1e-12 && sigma < 1 ? 1 : scale;
}

/** x0 and ε from any kind of prediction (Salimans & Ho 2022, appendix D), in either frame. */
function convert(type: PredictionType, prediction: Float32Array, x: Float32Array, level: Level) {
  const { alpha, sigma } = level;
  switch (type) {
    case "epsilon":
      return { x0: combine([1 / alpha, x], [-sigma / alpha, prediction]), epsilon: prediction };
    case "sample":
      return { x0: prediction, epsilon: noiseIn(x, prediction, level) };
    case "v_prediction": {
      const scale = Math.hypot(alpha, sigma);
      return {
        x0: combine([alpha / scale ** 2, x], [-sigma / scale, prediction]),
        epsilon: combine([sigma / scale ** 2, x], [alpha / scale, prediction]),
      };
    }
  }
}

function noiseIn(x: Float32Array, x0: Float32Array, { alpha, sigma }: Level): Float32Array {
  return combine([1 / sigma, x], [-alpha / sigma, x0]);
}

function threshold(x0: Float32Array, { ratio, max }: Thresholding, batch: number): Float32Array {
  const out = new Float32Array(x0.length);
  const size = x0.length / batch;
  for (let start = 0; start < x0.length; start += size) {
    const picture = x0.subarray(start, start + size);
    const limit = Math.min(Math.max(quantile(picture.map(Math.abs), ratio), 1), max);
    picture.forEach((value, i) => {
      out[start + i] = Math.min(Math.max(value, -limit), limit) / limit;
    });
  }
  return out;
}

function quantile(values: Float32Array, q: number): number {
  const sorted = values.sort();
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low]! + (at - low) * ((sorted[low + 1] ?? sorted[low]!) - sorted[low]!);
}

export interface EdmOptions {
  /** `epsilon` and `v_prediction` differ by the sign of c_out. */
  predictionType: PredictionType;
  /** Standard deviation of the training data. */
  sigmaData: number;
}

/** The preconditioned denoiser of Karras et al. (2022), eq. 7 and table 1; levels must lie in the exploding frame. */
export function edmDenoiser({ predictionType, sigmaData }: EdmOptions): Denoiser {
  const sign = predictionType === "v_prediction" ? -1 : 1;
  return {
    linear: true,
    scaleInput: (x, { sigma }) => combine([1 / Math.hypot(sigma, sigmaData), x]),
    timestepOf: (level) => level.timestep ?? Math.log(level.sigma) / 4,
    interpret(prediction, x, level) {
      const { sigma } = level;
      const cSkip = sigmaData ** 2 / (sigma ** 2 + sigmaData ** 2);
      const cOut = (sign * sigma * sigmaData) / Math.hypot(sigma, sigmaData);
      const x0 = combine([cSkip, x], [cOut, prediction]);
      return { x0, epsilon: noiseIn(x, x0, level) };
    },
  };
}
