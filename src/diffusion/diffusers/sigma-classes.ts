import { roundHalfEven } from "../../tensor/index.ts";
import { dpm2 } from "../samplers/dpm-2.ts";
import { dpm2Ancestral } from "../samplers/dpm-2-ancestral.ts";
import { dpmppSde } from "../samplers/dpmpp-sde.ts";
import { euler } from "../samplers/euler.ts";
import { eulerAncestral } from "../samplers/euler-ancestral.ts";
import { heun } from "../samplers/heun.ts";
import { lms } from "../samplers/lms.ts";
import {
  churned,
  churnOf,
  converted,
  type DiffusersClass,
  edm,
  forward,
  inSigma,
  linspaced,
  stableForward,
} from "./class.ts";
import { edmLayout, type Layout, type SigmaStyle, sigmaLayout } from "./layout.ts";

/** The classes that walk sigmas at fractional timesteps, in the frame where alpha = 1. */
export const sigmaClasses = {
  EulerDiscreteScheduler: {
    description: "Euler's method on the probability flow ODE",
    takesTimesteps: true,
    defaults: {
      ...forward,
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
    defaults: { ...forward, ...linspaced, rescale_betas_zero_snr: false },
    setUp: (options, steps) => ({
      ...sigmaLayout(options, steps, inSigma),
      walk: (journey) => eulerAncestral(journey, { drawAtEnd: true }),
    }),
  },

  HeunDiscreteScheduler: {
    description: "Heun's method: second order, two calls a step",
    callsPerStep: 2,
    takesTimesteps: true,
    defaults: { ...stableForward, ...linspaced, ...converted, clip_sample: false, clip_sample_range: 1 },
    setUp: (options, steps, custom) => ({
      ...twice(sigmaLayout(options, steps, inSigma, custom)),
      walk: (journey) => heun(journey, { draws: false }),
    }),
  },

  LMSDiscreteScheduler: {
    description: "Linear multistep of order 4",
    defaults: { ...forward, ...linspaced, ...converted },
    setUp: (options, steps) => ({
      ...sigmaLayout(options, steps, inSigma),
      walk: (journey) => lms(journey),
    }),
  },

  KDPM2DiscreteScheduler: {
    description: "DPM-Solver-2 in Karras's frame: a midpoint method, two calls a step",
    callsPerStep: 2,
    defaults: { ...stableForward, ...linspaced, ...converted },
    setUp: (options, steps) => ({
      ...twice(sigmaLayout(options, steps, inSigmaRounded), 3),
      walk: (journey) => dpm2(journey, { draws: false }),
    }),
  },

  KDPM2AncestralDiscreteScheduler: {
    description: "DPM-Solver-2 with ancestral noise, two calls a step",
    stochastic: true,
    callsPerStep: 2,
    defaults: { ...stableForward, ...linspaced, ...converted },
    setUp: (options, steps) => ({
      ...twice(sigmaLayout(options, steps, inSigmaRounded), 3),
      walk: (journey) => dpm2Ancestral(journey),
    }),
  },

  DPMSolverSDEScheduler: {
    description: "DPM-Solver++ SDE: ancestral noise in both stages of a second-order step",
    stochastic: true,
    callsPerStep: 2,
    defaults: { ...stableForward, ...linspaced, ...converted, s_noise: 1 },
    setUp: (options, steps) => ({
      ...twice(sigmaLayout(options, steps, inSigma)),
      walk: (journey) => dpmppSde(journey, { sNoise: options.s_noise }),
    }),
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
} as const satisfies Record<string, DiffusersClass>;

/** KDPM2 rounds the timesteps of Karras sigmas, though not those of their midpoints. */
const inSigmaRounded: SigmaStyle = {
  ...inSigma,
  quantize: (t, schedule) => (schedule === "karras" ? roundHalfEven(t) : t),
};

/** The sigmas as two-stage classes hold them: each between the ends twice, and `zeros` at the end. */
function twice(layout: Layout, zeros = 1): Layout {
  const [first, ...rest] = layout.sigmas.slice(0, -1);
  return { ...layout, sigmas: [first!, ...rest.flatMap((sigma) => [sigma, sigma]), ...Array<number>(zeros).fill(0)] };
}
