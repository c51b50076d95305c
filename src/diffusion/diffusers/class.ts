import { roundHalfEven } from "../../tensor/index.ts";
import { exploding, preserving } from "../level.ts";
import { type SchedulerOptions, usual } from "../options.ts";
import type { Journey, Walker } from "../sampler.ts";
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

export const forward = usual(
  "num_train_timesteps",
  "beta_start",
  "beta_end",
  "beta_schedule",
  "trained_betas",
  "prediction_type",
);

/** Heun, KDPM2 and the SDE solver start from Stable Diffusion's betas, though not from its `scaled_linear`. */
export const stableForward = { ...forward, beta_start: 0.00085, beta_end: 0.012 } as const;

export const linspaced = usual("timestep_spacing", "steps_offset");
export const leading = { ...linspaced, timestep_spacing: "leading" } as const;
export const converted = usual("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas");
export const thresholded = usual("thresholding", "dynamic_thresholding_ratio", "sample_max_value");
export const clipped = { ...usual("clip_sample_range"), clip_sample: true, ...thresholded } as const;
export const churned = usual("s_churn", "s_tmin", "s_tmax", "s_noise");

export const edm = {
  ...usual("sigma_data", "sigma_schedule", "num_train_timesteps", "prediction_type", "rho", "final_sigmas_type"),
  sigma_min: 0.002,
  sigma_max: 80,
} as const;

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
