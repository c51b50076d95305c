import { InputError } from "../tensor/index.ts";
import { type BetaSchedule, betaSchedules, type PredictionType, predictionTypes } from "./noise.ts";
import { type Spacing, spacings } from "./spacing.ts";

/** A checkpoint's scheduler_config.json, or what was read of it. Keys that a sampler does not know are left alone. */
export type SchedulerConfig = Readonly<Record<string, unknown>>;

/** What a walk is asked to be. */
export interface WalkOptions {
  /** A diffusers class or an A1111 sampler; default: the config's `_class_name`. */
  sampler?: string;
  schedule?: string;
  steps: number;
  /** DDIM's and the ancestral samplers' share of fresh noise, ≥ 0. */
  eta?: number;
  /** The checkpoint's scheduler_config.json. */
  config: SchedulerConfig;
  /** Overrides what the config says. */
  predictionType?: PredictionType;
  /** The first step to take, for image-to-image; the earlier ones are left out. */
  begin?: number;
  /** Timesteps in place of `steps`, for the classes that take them. */
  timesteps?: readonly number[];
  /** Pictures in the latents; only thresholding looks at it. */
  batch?: number;
}

/**
 * Every option that some diffusers class takes, under its published name. A class lists the ones it knows with its own
 * defaults; for the others `neutral` below stands, which is what most classes say and otherwise "not used".
 */
export interface SchedulerOptions {
  num_train_timesteps: number;
  beta_start: number;
  beta_end: number;
  beta_schedule: BetaSchedule;
  trained_betas: readonly number[] | null;
  rescale_betas_zero_snr: boolean;
  prediction_type: PredictionType;

  timestep_spacing: Spacing;
  steps_offset: number;
  set_alpha_to_one: boolean;
  interpolation_type: "linear" | "log_linear";
  timestep_type: "discrete" | "continuous";
  use_karras_sigmas: boolean;
  use_exponential_sigmas: boolean;
  use_beta_sigmas: boolean;
  use_lu_lambdas: boolean;
  sigma_min: number | null;
  sigma_max: number | null;
  final_sigmas_type: "zero" | "sigma_min";
  lambda_min_clipped: number;
  original_inference_steps: number;

  clip_sample: boolean;
  clip_sample_range: number;
  thresholding: boolean;
  dynamic_thresholding_ratio: number;
  sample_max_value: number;

  variance_type: string | null;
  skip_prk_steps: boolean;
  algorithm_type: string;
  solver_type: string;
  solver_order: number;
  lower_order_final: boolean;
  euler_at_final: boolean;
  predict_x0: boolean;
  disable_corrector: readonly number[];
  predictor_order: number;
  corrector_order: number;
  timestep_scaling: number;
  sigma_data: number;
  sigma_schedule: "karras" | "exponential";
  rho: number;

  /** Arguments of diffusers' `step` rather than of its configuration. */
  eta: number;
  s_churn: number;
  s_tmin: number;
  s_tmax: number;
  s_noise: number;
}

const neutral: SchedulerOptions = {
  num_train_timesteps: 1000,
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: "linear",
  trained_betas: null,
  rescale_betas_zero_snr: false,
  prediction_type: "epsilon",
  timestep_spacing: "linspace",
  steps_offset: 0,
  set_alpha_to_one: false,
  interpolation_type: "linear",
  timestep_type: "discrete",
  use_karras_sigmas: false,
  use_exponential_sigmas: false,
  use_beta_sigmas: false,
  use_lu_lambdas: false,
  sigma_min: null,
  sigma_max: null,
  final_sigmas_type: "zero",
  lambda_min_clipped: -Infinity,
  original_inference_steps: 50,
  clip_sample: false,
  clip_sample_range: 1,
  thresholding: false,
  dynamic_thresholding_ratio: 0.995,
  sample_max_value: 1,
  variance_type: null,
  skip_prk_steps: false,
  algorithm_type: "dpmsolver++",
  solver_type: "midpoint",
  solver_order: 2,
  lower_order_final: false,
  euler_at_final: false,
  predict_x0: true,
  disable_corrector: [],
  predictor_order: 2,
  corrector_order: 2,
  timestep_scaling: 10,
  sigma_data: 0.5,
  sigma_schedule: "karras",
  rho: 7,
  eta: 0,
  s_churn: 0,
  s_tmin: 0,
  s_tmax: Infinity,
  s_noise: 1,
};

/** The usual defaults of the options `keys`, for a class that knows these. */
export function usual<K extends keyof SchedulerOptions>(...keys: readonly K[]): Pick<SchedulerOptions, K> {
  return Object.fromEntries(keys.map((key) => [key, neutral[key]])) as Pick<SchedulerOptions, K>;
}

/** The values allowed for options that are one of a few words. */
const choices: Partial<Record<keyof SchedulerOptions, readonly string[]>> = {
  beta_schedule: betaSchedules,
  prediction_type: predictionTypes,
  timestep_spacing: spacings,
  interpolation_type: ["linear", "log_linear"],
  timestep_type: ["discrete", "continuous"],
  final_sigmas_type: ["zero", "sigma_min"],
  sigma_schedule: ["karras", "exponential"],
  // A config may come from another class; a name that is not the class's own means its default.
  algorithm_type: [
    "dpmsolver++",
    "dpmsolver",
    "sde-dpmsolver++",
    "sde-dpmsolver",
    "deis",
    "data_prediction",
    "noise_prediction",
  ],
  solver_type: ["midpoint", "heun", "logrho", "bh1", "bh2"],
};

const ranges: Partial<Record<keyof SchedulerOptions, readonly [least: number, most: number]>> = {
  num_train_timesteps: [2, 1e6],
  steps_offset: [0, 1e6],
  original_inference_steps: [1, 1e6],
  solver_order: [1, 3],
  predictor_order: [1, 3],
  corrector_order: [1, 3],
  dynamic_thresholding_ratio: [0, 1],
  eta: [0, 1],
};

/** Keys that may be null, or whose kind `neutral` does not show. */
const loose: readonly (keyof SchedulerOptions)[] = ["trained_betas", "sigma_min", "sigma_max", "variance_type"];

/**
 * The options of one class, as diffusers' `from_config` finds them: what the checkpoint's config names is kept, the rest
 * takes the class's own defaults, and keys that the class does not know are dropped. Throws an InputError for a value
 * of the wrong kind.
 */
export function resolveOptions(
  className: string,
  defaults: Partial<SchedulerOptions>,
  ...configs: readonly SchedulerConfig[]
): SchedulerOptions {
  const options: Record<string, unknown> = { ...neutral, ...defaults };
  for (const config of configs) {
    for (const key of Object.keys(defaults) as (keyof SchedulerOptions)[]) {
      const value = config[key] === "-inf" ? -Infinity : config[key];
      if (value === undefined || (value === null && !loose.includes(key))) continue;
      check(className, key, value);
      options[key] = value;
    }
  }
  return options as unknown as SchedulerOptions;
}

function check(className: string, key: keyof SchedulerOptions, value: unknown): void {
  const allowed = choices[key];
  if (allowed && !allowed.includes(value as string)) {
    throw new InputError(`${className}: ${key} is ${JSON.stringify(value)}; it must be one of ${allowed.join(", ")}.`);
  }
  const wanted = Array.isArray(neutral[key]) ? "list" : typeof neutral[key];
  const found = Array.isArray(value) ? "list" : typeof value;
  if (!loose.includes(key) && wanted !== found) {
    throw new InputError(`${className}: ${key} is ${JSON.stringify(value)}; it must be a ${wanted}.`);
  }
  const [least, most] = ranges[key] ?? [-Infinity, Infinity];
  if (found === "number" && !(least <= (value as number) && (value as number) <= most)) {
    throw new InputError(`${className}: ${key} is ${value}; it must lie between ${least} and ${most}.`);
  }
}
