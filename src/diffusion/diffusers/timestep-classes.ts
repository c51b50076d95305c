import { InputError } from "../../tensor/index.ts";
import { fromAlphaCumprod, type Level } from "../level.ts";
import { levelAt, type NoiseTable } from "../noise.ts";
import type { SchedulerOptions } from "../options.ts";
import { ddim } from "../samplers/ddim.ts";
import { ddpm } from "../samplers/ddpm.ts";
import { lcm } from "../samplers/lcm.ts";
import { pndm } from "../samplers/pndm.ts";
import { tcd } from "../samplers/tcd.ts";
import { clipped, type DiffusersClass, forward, leading, type Setup, stableForward } from "./class.ts";
import { distilledTimesteps, integerTimesteps, type Layout, tableOf, timestepLayout } from "./layout.ts";

/** The classes that walk integer timesteps of the trained table, in the variance-preserving frame. */
export const timestepClasses = {
  DDIMScheduler: {
    description: "Denoising diffusion implicit models: deterministic, or with eta of DDPM's noise",
    takesEta: true,
    keepEpsilon: () => true,
    defaults: { ...forward, ...leading, ...clipped, set_alpha_to_one: true, rescale_betas_zero_snr: false, eta: 0 },
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
    defaults: { ...forward, ...leading, ...clipped, variance_type: "fixed_small", rescale_betas_zero_snr: false },
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
    defaults: { ...forward, ...leading, skip_prk_steps: false, set_alpha_to_one: false },
    setUp: (options, steps) => pndmSetup(options, steps),
  },

  LCMScheduler: {
    description: "Latent consistency: 1 to 8 steps, for models distilled to it",
    stochastic: true,
    takesTimesteps: true,
    defaults: {
      ...stableForward,
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
      ...stableForward,
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
} as const satisfies Record<string, DiffusersClass>;

/** The level after the last timestep: no noise at all, or that of timestep 0. */
function finalLevel(options: SchedulerOptions, table: NoiseTable): Level {
  return options.set_alpha_to_one ? fromAlphaCumprod(1) : levelAt(table, 0);
}

function distilledLayout(options: SchedulerOptions, steps: number, custom?: number[]): Layout {
  const table = tableOf(options);
  const { original_inference_steps: original, num_train_timesteps: total } = options;
  if (original > total) {
    throw new InputError(
      `original_inference_steps is ${original}; the model has ${total} timesteps: set at most that.`,
    );
  }
  if (!custom && steps > original) {
    throw new InputError(
      `A model distilled on ${original} timesteps cannot be walked in ${steps} steps; ask for fewer.`,
    );
  }
  const timesteps = custom ?? distilledTimesteps(options, steps);
  return timestepLayout(table, timesteps, finalLevel(options, table), options.timestep_spacing);
}

const ddpmVariances: Readonly<Record<string, "small" | "large">> = {
  fixed_small: "small",
  fixed_small_log: "small",
  fixed_large: "large",
};

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
