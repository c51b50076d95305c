import type { ClassName } from "./diffusers/classes.ts";
import type { SchedulerOptions } from "./options.ts";
import type { Journey, Walker } from "./sampler.ts";
import { dpm2 } from "./samplers/dpm-2.ts";
import { dpm2Ancestral } from "./samplers/dpm-2-ancestral.ts";
import { type DpmAdaptiveOptions, dpmAdaptive } from "./samplers/dpm-adaptive.ts";
import { dpmFast } from "./samplers/dpm-fast.ts";
import { dpmMultistep } from "./samplers/dpm-multistep.ts";
import { dpmpp2sAncestral } from "./samplers/dpmpp-2s-ancestral.ts";
import { dpmppSde } from "./samplers/dpmpp-sde.ts";
import { euler } from "./samplers/euler.ts";
import { eulerAncestral } from "./samplers/euler-ancestral.ts";
import { heun } from "./samplers/heun.ts";
import { lms } from "./samplers/lms.ts";

/** The arguments of k-diffusion's functions; each reads the ones it knows. */
export interface KOptions {
  eta?: number;
  sNoise?: number;
  sChurn?: number;
  sTmin?: number;
  sTmax?: number;
  solverType?: "midpoint" | "heun";
  order?: number;
  /** Network calls of DPM fast. */
  calls?: number;
  onAttempt?: DpmAdaptiveOptions["onAttempt"];
}

/** A function of k-diffusion under its web UI name; it walks sigmas in the frame where alpha = 1. */
export interface KSampler {
  readonly description: string;
  /** The function in k-diffusion. */
  readonly function: string;
  readonly aliases: readonly string[];
  readonly stochastic?: boolean;
  readonly callsPerStep?: 2 | "varies";
  readonly takesEta?: boolean;
  /** The schedule that "Automatic" means for it. Default: Uniform. */
  readonly schedule?: string;
  /** It walks from the greatest to the least trained sigma in steps of its own. */
  readonly ownSteps?: boolean;
  /** What the latents are decides where it asks. */
  readonly decides?: boolean;
  /** The web UI asks the schedule for one sigma more and drops the one before the final zero. */
  readonly dropsNextToLast?: boolean;
  walk(journey: Journey, options: KOptions): Walker;
}

export const kSamplers = {
  Euler: {
    description: "Euler's method: the plainest solver, and a good one",
    function: "sample_euler",
    aliases: ["k_euler"],
    walk: euler,
  },
  "Euler a": {
    description: "Euler steps down, fresh noise up: varied and forgiving, never settles",
    function: "sample_euler_ancestral",
    aliases: ["k_euler_a", "k_euler_ancestral"],
    stochastic: true,
    takesEta: true,
    walk: eulerAncestral,
  },
  Heun: {
    description: "Heun's method: second order, two calls a step",
    function: "sample_heun",
    aliases: ["k_heun"],
    callsPerStep: 2,
    walk: heun,
  },
  LMS: {
    description: "Linear multistep of order 4",
    function: "sample_lms",
    aliases: ["k_lms"],
    walk: lms,
  },
  DPM2: {
    description: "DPM-Solver-2 in Karras's frame: a midpoint method, two calls a step",
    function: "sample_dpm_2",
    aliases: ["k_dpm_2"],
    callsPerStep: 2,
    schedule: "Karras",
    dropsNextToLast: true,
    walk: dpm2,
  },
  "DPM2 a": {
    description: "DPM-Solver-2 with ancestral noise, two calls a step",
    function: "sample_dpm_2_ancestral",
    aliases: ["k_dpm_2_a"],
    stochastic: true,
    callsPerStep: 2,
    takesEta: true,
    schedule: "Karras",
    dropsNextToLast: true,
    walk: dpm2Ancestral,
  },
  "DPM++ 2S a": {
    description: "DPM-Solver++ singlestep with ancestral noise, two calls a step",
    function: "sample_dpmpp_2s_ancestral",
    aliases: ["k_dpmpp_2s_a"],
    stochastic: true,
    callsPerStep: 2,
    takesEta: true,
    schedule: "Karras",
    walk: dpmpp2sAncestral,
  },
  "DPM++ 2M": {
    description: "DPM-Solver++ multistep: the usual choice, good from 15 steps",
    function: "sample_dpmpp_2m",
    aliases: ["k_dpmpp_2m"],
    schedule: "Karras",
    walk: (journey) => dpmMultistep(journey),
  },
  "DPM++ SDE": {
    description: "DPM-Solver++ with noise in both stages of a step, two calls a step",
    function: "sample_dpmpp_sde",
    aliases: ["k_dpmpp_sde"],
    stochastic: true,
    callsPerStep: 2,
    takesEta: true,
    schedule: "Karras",
    walk: dpmppSde,
  },
  "DPM++ 2M SDE": {
    description: "DPM-Solver++ multistep on the reverse SDE",
    function: "sample_dpmpp_2m_sde",
    aliases: ["k_dpmpp_2m_sde"],
    stochastic: true,
    takesEta: true,
    schedule: "Exponential",
    walk: (journey, { eta = 1, sNoise, solverType }) =>
      dpmMultistep(journey, { eta, sNoise, solverType, brownian: true }),
  },
  "DPM++ 2M SDE Heun": {
    description: "The same with Heun's weights for the second order",
    function: "sample_dpmpp_2m_sde",
    aliases: ["k_dpmpp_2m_sde_heun"],
    stochastic: true,
    takesEta: true,
    schedule: "Exponential",
    walk: (journey, { eta = 1, sNoise }) => dpmMultistep(journey, { eta, sNoise, solverType: "heun", brownian: true }),
  },
  "DPM++ 3M SDE": {
    description: "The third order of the same family; wants 30 steps and more",
    function: "sample_dpmpp_3m_sde",
    aliases: ["k_dpmpp_3m_sde"],
    stochastic: true,
    takesEta: true,
    schedule: "Exponential",
    dropsNextToLast: true,
    walk: (journey, { eta = 1, sNoise }) =>
      dpmMultistep(journey, { order: 3, eta, sNoise, solverType: "heun", brownian: true }),
  },
  "DPM fast": {
    description: "DPM-Solver-fast: third-order steps in as many calls as steps were asked for",
    function: "sample_dpm_fast",
    aliases: ["k_dpm_fast"],
    stochastic: true,
    takesEta: true,
    ownSteps: true,
    walk: dpmFast,
  },
  "DPM adaptive": {
    description: "DPM-Solver-23 with steps as long as the error allows: the number of steps is not heeded",
    function: "sample_dpm_adaptive",
    aliases: ["k_dpm_ad"],
    stochastic: true,
    callsPerStep: "varies",
    takesEta: true,
    ownSteps: true,
    decides: true,
    walk: dpmAdaptive,
  },
} as const satisfies Record<string, KSampler>;

/** A web UI name that the web UI runs on code of its own: it stands for a diffusers class here. */
export interface BorrowedSampler {
  readonly class: ClassName;
  readonly options?: Partial<SchedulerOptions>;
}

export const borrowedSamplers = {
  DDIM: { class: "DDIMScheduler" },
  PLMS: { class: "PNDMScheduler", options: { skip_prk_steps: true } },
  UniPC: { class: "UniPCMultistepScheduler" },
  DEIS: { class: "DEISMultistepScheduler" },
  DDPM: { class: "DDPMScheduler" },
  LCM: { class: "LCMScheduler" },
  TCD: { class: "TCDScheduler" },
} as const satisfies Record<string, BorrowedSampler>;
