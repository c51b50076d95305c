import type { DrawNoise } from "./brownian.ts";
import type { Level } from "./level.ts";

/** What a sampler wants to know next: the clean latents at `x`, which lies at `level`. */
export interface Question {
  readonly x: Float32Array;
  readonly level: Level;
  /** Which step of the schedule asks, from 0; two-stage samplers ask more than once in a step. */
  readonly step: number;
}

/** The denoiser's answer. */
export interface Estimate {
  readonly x0: Float32Array;
  /** The noise in x: (x − alpha · x0) / sigma, unless the denoiser was told to keep the network's own. */
  readonly epsilon: Float32Array;
  /** The network's raw output. */
  readonly prediction: Float32Array;
}

/** Where a sampler starts and what it may use on its way. */
export interface Journey {
  /** Latents at levels[0]. */
  readonly x: Float32Array;
  /** The schedule: n steps visit n + 1 levels. */
  readonly levels: readonly Level[];
  /** Fresh standard normal noise, shaped like x. */
  readonly noise: DrawNoise;
  /** What `prediction` says about `x` at `level`: for samplers that mix raw predictions, or move x after asking. */
  interpret(prediction: Float32Array, x: Float32Array, level: Level): { x0: Float32Array; epsilon: Float32Array };
}

/**
 * A sampler in progress: it yields questions, is answered with estimates, and returns the final latents. It never calls
 * the network itself, so the same code walks a real picture, a test's formula, or nothing at all (to list the calls).
 */
export type Walker = Generator<Question, Float32Array, Estimate>;
