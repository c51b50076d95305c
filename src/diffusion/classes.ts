import { InputError } from "../tensor/index.ts";
import {
  distilledTimesteps,
  edmLayout,
  integerTimesteps,
  type Layout,
  type SigmaStyle,
  sigmaLayout,
  tableOf,
  timestepLayout,
} from "./layout.ts";
import { exploding, fromAlphaCumprod, type Level, preserving } from "./level.ts";
import { levelAt, type NoiseTable } from "./noise.ts";
import type { SchedulerOptions } from "./options.ts";
import type { Journey, Walker } from "./sampler.ts";
import { ddim } from "./samplers/ddim.ts";
import { ddpm } from "./samplers/ddpm.ts";
import { deis } from "./samplers/deis.ts";
import { dpm2 } from "./samplers/dpm-2.ts";
import { dpm2Ancestral } from "./samplers/dpm-2-ancestral.ts";
import { dpmMultistep } from "./samplers/dpm-multistep.ts";
import { dpmSinglestep } from "./samplers/dpm-singlestep.ts";
import { dpmppSde } from "./samplers/dpmpp-sde.ts";
import { euler } from "./samplers/euler.ts";
import { eulerAncestral } from "./samplers/euler-ancestral.ts";
import { heun } from "./samplers/heun.ts";
import { lcm } from "./samplers/lcm.ts";
import { lms } from "./samplers/lms.ts";
import { pndm } from "./samplers/pndm.ts";
import { sa } from "./samplers/sa.ts";
import { tcd } from "./samplers/tcd.ts";
import { unipc } from "./samplers/unipc.ts";
import { roundHalfEven } from "./vector.ts";

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

const process = {
  num_train_timesteps: 1000,
  beta_start: 0.0001,
  beta_end: 0.02,
  beta_schedule: "linear",
  trained_betas: null,
  prediction_type: "epsilon",
} as const satisfies Partial<SchedulerOptions>;

/** Heun, KDPM2 and the SDE solver start from Stable Diffusion's betas, though not from its `scaled_linear`. */
const stableProcess = { ...process, beta_start: 0.00085, beta_end: 0.012 } as const;

const linspaced = { timestep_spacing: "linspace", steps_offset: 0 } as const;
const leading = { timestep_spacing: "leading", steps_offset: 0 } as const;
const converted = { use_karras_sigmas: false, use_exponential_sigmas: false, use_beta_sigmas: false } as const;
const thresholded = { thresholding: false, dynamic_thresholding_ratio: 0.995, sample_max_value: 1 } as const;
const clipped = { clip_sample: true, clip_sample_range: 1, ...thresholded } as const;
const churned = { s_churn: 0, s_tmin: 0, s_tmax: Infinity, s_noise: 1 } as const;

const edm = {
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
const inSigma: SigmaStyle = { frame: exploding, endPoint: 0, range: "spaced", quantize: (t) => t };

/** KDPM2 rounds the timesteps of Karras sigmas, though not those of their midpoints. */
const inSigmaRounded: SigmaStyle = {
  ...inSigma,
  quantize: (t, schedule) => (schedule === "karras" ? roundHalfEven(t) : t),
};

/** DPM-Solver's frame over integer timesteps. */
const inLambda: SigmaStyle = {
  frame: preserving,
  endPoint: 1,
  range: "trained",
  quantize: (t, schedule) => (schedule === "karras" || schedule === "lu" ? roundHalfEven(t) : Math.trunc(t)),
};

/** The level after the last timestep: no noise at all, or that of timestep 0. */
function finalLevel(options: SchedulerOptions, table: NoiseTable): Level {
  return options.set_alpha_to_one ? fromAlphaCumprod(1) : levelAt(table, 0);
}

export const classes = {
  DDIMScheduler: {
    description: "Denoising diffusion implicit models: deterministic, or with eta of DDPM's noise",
    takesEta: true,
    keepEpsilon: () => true,
    defaults: { ...process, ...leading, ...clipped, set_alpha_to_one: true, rescale_betas_zero_snr: false, eta: 0 },
    setUp(options, steps) {
      const table = tableOf(options);
      const final = finalLevel(options, table);
      const timesteps = integerTimesteps(options, steps);
      const stride = Math.floor(options.num_train_timesteps / steps);
      const targets = timesteps.map((t) => (t < stride ? final : levelAt(table, t - stride)));
      return {
        ...timestepLayout(table, timesteps, final, options.timestep_spacing),
        walk: (journey, begin) => ddim(journey, { eta: options.eta, targets: targets.slice(begin) }),
      };
    },
  },

  DDPMScheduler: {
    description: "The original ancestral sampling, meant for many steps",
    stochastic: true,
    takesTimesteps: true,
    defaults: { ...process, ...leading, ...clipped, variance_type: "fixed_small", rescale_betas_zero_snr: false },
    setUp(options, steps, custom) {
      const variance = ddpmVariances[options.variance_type ?? "fixed_small"];
      if (!variance) {
        const known = Object.keys(ddpmVariances).join(", ");
        throw new InputError(`DDPMScheduler: variance_type ${options.variance_type} is not one of ${known}.`);
      }
      const timesteps = custom ?? integerTimesteps(options, steps);
      return {
        ...timestepLayout(tableOf(options), timesteps, fromAlphaCumprod(1), options.timestep_spacing),
        walk: (journey) => ddpm(journey, { variance }),
      };
    },
  },

  PNDMScheduler: {
    description: "Pseudo linear multistep; Stable Diffusion's own default, one call more than steps",
    defaults: { ...process, ...leading, skip_prk_steps: false, set_alpha_to_one: false },
    setUp: (options, steps) => pndmSetup(options, steps),
  },

  EulerDiscreteScheduler: {
    description: "Euler's method on the probability flow ODE",
    takesTimesteps: true,
    defaults: {
      ...process,
      ...linspaced,
      ...converted,
      ...churned,
      interpolation_type: "linear",
      sigma_min: null,
      sigma_max: null,
      timestep_type: "discrete",
      rescale_betas_zero_snr: false,
      final_sigmas_type: "zero",
    },
    setUp: (options, steps, custom) => ({
      ...sigmaLayout(options, steps, inSigma, custom),
      walk: (journey) => euler(journey, { ...churnOf(options), churnAfterAsking: true }),
    }),
  },

  EulerAncestralDiscreteScheduler: {
    description: "Euler steps down, fresh noise up: varied and forgiving, never settles",
    stochastic: true,
    defaults: { ...process, ...linspaced, rescale_betas_zero_snr: false },
    setUp: (options, steps) => ({
      ...sigmaLayout(options, steps, inSigma),
      walk: (journey) => eulerAncestral(journey, { drawAtEnd: true }),
    }),
  },

  HeunDiscreteScheduler: {
    description: "Heun's method: second order, two calls a step",
    callsPerStep: 2,
    takesTimesteps: true,
    defaults: { ...stableProcess, ...linspaced, ...converted, clip_sample: false, clip_sample_range: 1 },
    setUp: (options, steps, custom) => ({
      ...twice(sigmaLayout(options, steps, inSigma, custom)),
      walk: (journey) => heun(journey, { draws: false }),
    }),
  },

  LMSDiscreteScheduler: {
    description: "Linear multistep of order 4",
    defaults: { ...process, ...linspaced, ...converted },
    setUp: (options, steps) => ({
      ...sigmaLayout(options, steps, inSigma),
      walk: (journey) => lms(journey),
    }),
  },

  KDPM2DiscreteScheduler: {
    description: "DPM-Solver-2 in Karras's frame: a midpoint method, two calls a step",
    callsPerStep: 2,
    defaults: { ...stableProcess, ...linspaced, ...converted },
    setUp: (options, steps) => ({
      ...twice(sigmaLayout(options, steps, inSigmaRounded), 3),
      walk: (journey) => dpm2(journey, { draws: false }),
    }),
  },

  KDPM2AncestralDiscreteScheduler: {
    description: "DPM-Solver-2 with ancestral noise, two calls a step",
    stochastic: true,
    callsPerStep: 2,
    defaults: { ...stableProcess, ...linspaced, ...converted },
    setUp: (options, steps) => ({
      ...twice(sigmaLayout(options, steps, inSigmaRounded), 3),
      walk: (journey) => dpm2Ancestral(journey),
    }),
  },

  DPMSolverMultistepScheduler: {
    description: "DPM-Solver++ multistep (2M), and its stochastic, third-order and noise-predicting forms",
    takesTimesteps: true,
    defaults: {
      ...process,
      ...linspaced,
      ...converted,
      ...thresholded,
      solver_order: 2,
      algorithm_type: "dpmsolver++",
      solver_type: "midpoint",
      lower_order_final: true,
      euler_at_final: false,
      use_lu_lambdas: false,
      final_sigmas_type: "zero",
      lambda_min_clipped: -Infinity,
      variance_type: null,
      rescale_betas_zero_snr: false,
    },
    setUp(options, steps, custom) {
      const layout = sigmaLayout(options, steps, inLambda, custom);
      return { ...layout, walk: (journey) => dpmMultistep(journey, dpmOptions(options, layout)) };
    },
  },

  DPMSolverSinglestepScheduler: {
    description: "DPM-Solver++ singlestep: orders 1 and 2 in turn",
    takesTimesteps: true,
    defaults: {
      ...process,
      ...converted,
      ...thresholded,
      solver_order: 2,
      algorithm_type: "dpmsolver++",
      solver_type: "midpoint",
      lower_order_final: false,
      final_sigmas_type: "zero",
      lambda_min_clipped: -Infinity,
      variance_type: null,
    },
    setUp(options, steps, custom) {
      const layout = sigmaLayout(options, steps, inLambda, custom);
      const orders = singlestepOrders(options, layout.levels.length - 1);
      const { extrapolate, eta, solverType } = dpmOptions(options, layout);
      return {
        ...layout,
        walk: (journey, begin) => dpmSinglestep(journey, { orders: orders.slice(begin), extrapolate, eta, solverType }),
      };
    },
  },

  DPMSolverSDEScheduler: {
    description: "DPM-Solver++ SDE: ancestral noise in both stages of a second-order step",
    stochastic: true,
    callsPerStep: 2,
    defaults: { ...stableProcess, ...linspaced, ...converted, s_noise: 1 },
    setUp: (options, steps) => ({
      ...twice(sigmaLayout(options, steps, inSigma)),
      walk: (journey) => dpmppSde(journey, { sNoise: options.s_noise }),
    }),
  },

  UniPCMultistepScheduler: {
    description: "Unified predictor-corrector: good at 5 to 20 steps",
    keepEpsilon: (options) => !options.predict_x0,
    defaults: {
      ...process,
      ...linspaced,
      ...converted,
      ...thresholded,
      solver_order: 2,
      predict_x0: true,
      solver_type: "bh2",
      lower_order_final: true,
      disable_corrector: [],
      final_sigmas_type: "zero",
      rescale_betas_zero_snr: false,
      sigma_min: null,
      sigma_max: null,
    },
    setUp: (options, steps) => ({
      ...sigmaLayout(options, steps, { ...inLambda, repeatLast: true }),
      walk: (journey, begin) =>
        unipc(journey, {
          order: options.solver_order,
          extrapolate: options.predict_x0 ? "x0" : "epsilon",
          solverType: options.solver_type === "bh1" ? "bh1" : "bh2",
          lowerOrderFinal: options.lower_order_final,
          uncorrected: options.disable_corrector.map((step) => step - begin),
        }),
    }),
  },

  DEISMultistepScheduler: {
    description: "Diffusion exponential integrator: ε extrapolated in log sigma",
    defaults: {
      ...process,
      ...linspaced,
      ...converted,
      ...thresholded,
      solver_order: 2,
      algorithm_type: "deis",
      solver_type: "logrho",
      lower_order_final: true,
    },
    setUp(options, steps) {
      const layout = endingAboveZero(options, steps);
      const lowerOrderFinal = options.lower_order_final && layout.levels.length - 1 < 15;
      return { ...layout, walk: (journey) => deis(journey, { order: options.solver_order, lowerOrderFinal }) };
    },
  },

  SASolverScheduler: {
    description: "Stochastic Adams predictor-corrector: noise in the middle of the walk only",
    stochastic: true,
    defaults: {
      ...process,
      ...linspaced,
      ...converted,
      ...thresholded,
      predictor_order: 2,
      corrector_order: 2,
      algorithm_type: "data_prediction",
      lower_order_final: true,
      lambda_min_clipped: -Infinity,
      variance_type: null,
    },
    setUp: (options, steps) => ({
      ...endingAboveZero(options, steps),
      walk: (journey) =>
        sa(journey, {
          predictorOrder: options.predictor_order,
          correctorOrder: options.corrector_order,
          extrapolate: options.algorithm_type === "noise_prediction" ? "epsilon" : "x0",
          lowerOrderFinal: options.lower_order_final,
        }),
    }),
  },

  LCMScheduler: {
    description: "Latent consistency: 1 to 8 steps, for models distilled to it",
    stochastic: true,
    takesTimesteps: true,
    defaults: {
      ...stableProcess,
      ...leading,
      ...clipped,
      beta_schedule: "scaled_linear",
      original_inference_steps: 50,
      clip_sample: false,
      set_alpha_to_one: true,
      timestep_scaling: 10,
      rescale_betas_zero_snr: false,
    },
    setUp: (options, steps, custom) => ({
      ...distilledLayout(options, steps, custom),
      walk: (journey) => lcm(journey, { timestepScaling: options.timestep_scaling }),
    }),
  },

  TCDScheduler: {
    description: "Trajectory consistency: 2 to 20 steps, for models distilled to it; eta is its gamma",
    stochastic: true,
    takesEta: true,
    takesTimesteps: true,
    keepEpsilon: () => true,
    defaults: {
      ...stableProcess,
      ...leading,
      beta_schedule: "scaled_linear",
      original_inference_steps: 50,
      set_alpha_to_one: true,
      timestep_scaling: 10,
      rescale_betas_zero_snr: false,
      eta: 0.3,
    },
    setUp(options, steps, custom) {
      const table = tableOf(options);
      return {
        ...distilledLayout(options, steps, custom),
        walk: (journey) => tcd(journey, { eta: options.eta, levelAt: (t) => levelAt(table, t) }),
      };
    },
  },

  EDMEulerScheduler: {
    description: "Euler's method for networks trained in the EDM formulation",
    defaults: { ...edm, ...churned },
    edm: true,
    setUp: (options, steps) => ({
      ...edmLayout(options, steps),
      walk: (journey) => euler(journey, { ...churnOf(options), churnAfterAsking: true }),
    }),
  },

  EDMDPMSolverMultistepScheduler: {
    description: "DPM-Solver++ multistep for networks trained in the EDM formulation",
    edm: true,
    defaults: {
      ...edm,
      ...thresholded,
      solver_order: 2,
      algorithm_type: "dpmsolver++",
      solver_type: "midpoint",
      lower_order_final: true,
      euler_at_final: false,
    },
    setUp(options, steps) {
      const layout = edmLayout(options, steps);
      return { ...layout, walk: (journey) => dpmMultistep(journey, dpmOptions(options, layout)) };
    },
  },
} as const satisfies Record<string, DiffusersClass>;

export type ClassName = keyof typeof classes;

/** The sigmas as two-stage classes hold them: each between the ends twice, and `zeros` at the end. */
function twice(layout: Layout, zeros = 1): Layout {
  const [first, ...rest] = layout.sigmas.slice(0, -1);
  return { ...layout, sigmas: [first!, ...rest.flatMap((sigma) => [sigma, sigma]), ...Array<number>(zeros).fill(0)] };
}

/** DEIS and SA extrapolate in log sigma and stop at the least trained one. */
function endingAboveZero(options: SchedulerOptions, steps: number): Layout {
  return sigmaLayout({ ...options, final_sigmas_type: "sigma_min" }, steps, { ...inLambda, repeatLast: true });
}

function distilledLayout(options: SchedulerOptions, steps: number, custom?: number[]): Layout {
  const table = tableOf(options);
  const { original_inference_steps: original } = options;
  if (!custom && steps > original) {
    throw new InputError(
      `A model distilled on ${original} timesteps cannot be walked in ${steps} steps; ask for fewer.`,
    );
  }
  const timesteps = custom ?? distilledTimesteps(options, steps);
  return timestepLayout(table, timesteps, finalLevel(options, table), options.timestep_spacing);
}

/** The order of each singlestep step: 1, 2 (, 3) in turn, falling at the end (diffusers' reading of Lu et al. 2022a). */
function singlestepOrders(options: SchedulerOptions, steps: number): number[] {
  const { solver_order: order, final_sigmas_type: final } = options;
  const fall = options.lower_order_final || steps % order !== 0 || final === "zero";
  const orders = Array.from({ length: steps }, (_, i) => (i % order) + 1);
  if (fall && order === 3 && steps % 3 === 0) orders.splice(-3, 3, 1, 2, 1);
  else if (fall && order === 2 && steps % 2 === 0) orders.splice(-2, 2, 1, 1);
  if (final === "zero") orders[steps - 1] = 1;
  return orders;
}

const ddpmVariances: Readonly<Record<string, "small" | "large">> = {
  fixed_small: "small",
  fixed_small_log: "small",
  fixed_large: "large",
};

function churnOf({ s_churn, s_tmin, s_tmax, s_noise }: SchedulerOptions) {
  return { sChurn: s_churn, sTmin: s_tmin, sTmax: s_tmax, sNoise: s_noise };
}

function dpmOptions(options: SchedulerOptions, { levels }: Layout) {
  const eta = options.algorithm_type.startsWith("sde-") ? 1 : 0;
  return {
    order: options.solver_order,
    extrapolate: options.algorithm_type.endsWith("++") ? ("x0" as const) : ("epsilon" as const),
    eta,
    solverType: options.solver_type === "heun" ? ("heun" as const) : ("midpoint" as const),
    // diffusers lowers the order only in walks shorter than 15 steps.
    lowerOrderFinal: options.lower_order_final && levels.length - 1 < 15,
    eulerAtFinal: options.euler_at_final,
    drawAtEnd: true,
    thirdOrderAsDiffusers: eta > 0,
  };
}

function pndmSetup(options: SchedulerOptions, steps: number): Setup {
  const { num_train_timesteps: total, skip_prk_steps: plmsOnly } = options;
  if (!plmsOnly && steps < 4) {
    throw new InputError(`PNDMScheduler with Runge–Kutta steps needs at least 4 steps, not ${steps}.`);
  }
  const table = tableOf(options);
  const stride = Math.floor(total / steps);
  const half = Math.floor(stride / 2);
  const at = (t: number) => (t < 0 ? finalLevel(options, table) : levelAt(table, t));
  const timesteps = integerTimesteps(options, steps);
  // PLMS visits its second timestep twice. Each of the three Runge–Kutta steps asks at its start, twice half a stride
  // below, and at the next start.
  const warmUp = plmsOnly
    ? []
    : timesteps
        .slice(0, 3)
        .flatMap((t, i) => [t, timesteps[i + 1]! + half, timesteps[i + 1]! + half, timesteps[i + 1]!]);
  const calls = plmsOnly
    ? [timesteps[0]!, ...timesteps.slice(1, 2), ...timesteps.slice(1)]
    : [...warmUp, ...timesteps.slice(3)];
  const moves = (begin: number) =>
    calls.slice(begin).map((t, call) => {
      if (begin + call < warmUp.length) {
        const start = calls[Math.floor((begin + call) / 4) * 4]!;
        return { from: at(start), to: at(call % 2 ? t : t - half) };
      }
      return call === 1 && plmsOnly ? { from: at(t + stride), to: at(t) } : { from: at(t), to: at(t - stride) };
    });
  return {
    ...timestepLayout(table, calls, finalLevel(options, table), options.timestep_spacing),
    walk: (journey, begin) =>
      pndm(journey, { moves: moves(begin), rungeKuttaCalls: Math.max(warmUp.length - begin, 0) }),
  };
}
