import { exploding, preserving } from "../level.ts";
import type { SchedulerOptions } from "../options.ts";
import type { Journey, Walker } from "../sampler.ts";
import { roundHalfEven } from "../vector.ts";
import type { Layout, SigmaStyle } from "./layout.ts";

/** A class with its options filled in: its levels, and the sampler bound to everything but the journey. */
export interface Setup extends Layout {
  /** `begin`: how many of the levels the journey leaves out at its start. */
  walk(journey: Journey, begin: number): Walker;
}

/** One of diffusers' scheduler classes, as data. */
export interface DiffusersClass {
  readonly description: string;
  readonly stochastic?: boolean;
  readonly callsPerStep?: 2;
  readonly takesEta?: boolean;
  /** It accepts a list of timesteps in place of a number of steps. */
  readonly takesTimesteps?: boolean;
  /** For networks in the EDM formulation, which know sigma rather than timesteps. */
  readonly edm?: boolean;
  /** ε stays the network's own when x0 is clipped. */
  readonly keepEpsilon?: (options: SchedulerOptions) => boolean;
  /** The options that it knows, with its own defaults. */
  readonly defaults: Partial<SchedulerOptions>;
  setUp(options: SchedulerOptions, steps: number, timesteps?: number[]): Setup;
}

/* Options that many classes share, with the defaults that diffusers gives them. */

export const forward = {
  num_train_timesteps: 1000,
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: "linear",
  trained_betas: null,
  prediction_type: "epsilon",
} as const satisfies Partial<SchedulerOptions>;

/** Heun, KDPM2 and the SDE solver start from Stable Diffusion's betas, though not from its `scaled_linear`. */
export const stableForward = { ...forward, beta_start: 0.00085, beta_end: 0.012 } as const;

export const linspaced = { timestep_spacing: "linspace", steps_offset: 0 } as const;
export const leading = { timestep_spacing: "leading", steps_offset: 0 } as const;
export const converted = { use_karras_sigmas: false, use_exponential_sigmas: false, use_beta_sigmas: false } as const;
export const thresholded = { thresholding: false, dynamic_thresholding_ratio: 0.995, sample_max_value: 1 } as const;
export const clipped = { clip_sample: true, clip_sample_range: 1, ...thresholded } as const;
export const churned = { s_churn: 0, s_tmin: 0, s_tmax: Infinity, s_noise: 1 } as const;

export const edm = {
  sigma_min: 0.002,
  sigma_max: 80,
  sigma_data: 0.5,
  sigma_schedule: "karras",
  num_train_timesteps: 1000,
  prediction_type: "epsilon",
  rho: 7,
  final_sigmas_type: "zero",
} as const satisfies Partial<SchedulerOptions>;

/** Karras et al.'s frame over fractional timesteps. */
export const inSigma: SigmaStyle = { frame: exploding, endPoint: 0, range: "spaced", quantize: (t) => t };

/** DPM-Solver's frame over integer timesteps. */
export const inLambda: SigmaStyle = {
  frame: preserving,
  endPoint: 1,
  range: "trained",
  quantize: (t, schedule) => (schedule === "karras" || schedule === "lu" ? roundHalfEven(t) : Math.trunc(t)),
};

export function churnOf({ s_churn, s_tmin, s_tmax, s_noise }: SchedulerOptions) {
  return { sChurn: s_churn, sTmin: s_tmin, sTmax: s_tmax, sNoise: s_noise };
}
