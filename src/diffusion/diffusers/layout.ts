import { InputError, roundHalfEven } from "../../tensor/index.ts";
import { exploding, type Level, lambdaOf, ratioOf } from "../level.ts";
import {
  alphasCumprod,
  betas,
  levelAt,
  type NoiseTable,
  noiseTable,
  sigmaAt,
  timestepAt,
  zeroTerminalSnr,
} from "../noise.ts";
import type { SchedulerOptions } from "../options.ts";
import type { Schedule } from "../schedule.ts";
import { beta } from "../schedules/beta.ts";
import { exponential } from "../schedules/exponential.ts";
import { karras } from "../schedules/karras.ts";
import { lu } from "../schedules/lu.ts";
import { spacedTimesteps } from "../spacing.ts";
import { linspace } from "../vector.ts";

/** Where a diffusers class puts its noise levels. diffusers repeats this in every class; here it is said once. */
export interface Layout {
  /** n + 1 levels; the network is asked at the first n. */
  levels: Level[];
  /** The sigmas, without the repetitions that two-stage classes hold. */
  sigmas: number[];
  initNoiseSigma: number;
  /** What shaped it: a schedule's name or a timestep spacing. */
  schedule: string;
}

/** How the classes that step in sigma differ from each other. */
export interface SigmaStyle {
  frame: (ratio: number, timestep?: number) => Level;
  /** 1 where the end counts as a spaced timestep and is dropped (DPM-Solver and its kin, with rounded timesteps). */
  endPoint: 0 | 1;
  /** Where Karras and the like take their range from: the spaced timesteps or the whole trained table. */
  range: "spaced" | "trained";
  /** What becomes of the fractional timestep of a converted sigma. */
  quantize(timestep: number, schedule: string, options: SchedulerOptions): number;
  /** "sigma_min" at the end of a converted schedule means its own last sigma once more. */
  repeatLast?: boolean;
}

/** The trained noise levels that `options` describe. */
export function tableOf(options: SchedulerOptions): NoiseTable {
  const { num_train_timesteps: steps, beta_start: start, beta_end: end, trained_betas: trained } = options;
  if (trained && trained.length !== steps) {
    throw new InputError(`trained_betas holds ${trained.length} values for num_train_timesteps ${steps}.`);
  }
  const plain = trained ? Float32Array.from(trained) : betas(options.beta_schedule, { steps, start, end });
  return noiseTable(alphasCumprod(options.rescale_betas_zero_snr ? zeroTerminalSnr(plain) : plain));
}

/** As `tableOf`, but with a hair of signal (ᾱ = 2⁻²⁴, sigma 4096) where none is left: sigma must be finite. */
export function finiteTableOf(options: SchedulerOptions): NoiseTable {
  const table = tableOf(options);
  if (!options.rescale_betas_zero_snr) return table;
  const finite = noiseTable(table.alphasCumprod.with(-1, 2 ** -24));
  // √(2²⁴ − 1) lies a hair below the middle of two floats; PyTorch's vectorised root rounds it up.
  return { ...finite, sigmas: finite.sigmas.with(-1, 4096) };
}

/** Integer timesteps of the trained table, then `final`: DDIM, DDPM. */
export function timestepLayout(table: NoiseTable, timesteps: number[], final: Level, schedule: string): Layout {
  const levels = [...timesteps.map((t) => levelAt(table, t)), final];
  return { levels, sigmas: levels.map(ratioOf), initNoiseSigma: 1, schedule };
}

/**
 * n timesteps spaced as `options` say, rounded to integers. Throws an InputError where the offset pushes the first one out
 * of the table.
 */
export function integerTimesteps(options: SchedulerOptions, steps: number): number[] {
  const timesteps = spaced(options, steps, 0).map(roundHalfEven);
  const { num_train_timesteps: total, steps_offset: offset } = options;
  if (timesteps[0]! < total) return timesteps;
  throw new InputError(
    `${steps} steps with offset ${offset} would start at timestep ${timesteps[0]} of ${total}: ask for fewer.`,
  );
}

function spaced(options: SchedulerOptions, steps: number, endPoint: 0 | 1, cut = 0): number[] {
  const { timestep_spacing: spacing, steps_offset: offset, num_train_timesteps: total } = options;
  return spacedTimesteps({ spacing, steps, trainSteps: total - cut, offset, endPoint, total });
}

/** The trained timesteps that LCM and TCD were distilled on, thinned to n (Luo et al. 2023, § 4.3). */
export function distilledTimesteps(options: SchedulerOptions, steps: number): number[] {
  const { num_train_timesteps: total, original_inference_steps: original } = options;
  const stride = Math.floor(total / original);
  return Array.from({ length: steps }, (_, i) => (original - Math.floor((i * original) / steps)) * stride - 1);
}

type Conversion = readonly [flag: "use_karras_sigmas" | `use_${string}`, schedule: Schedule];

const conversions: Readonly<Record<string, Conversion>> = {
  karras: ["use_karras_sigmas", karras],
  lu: ["use_lu_lambdas", lu],
  exponential: ["use_exponential_sigmas", exponential],
  beta: ["use_beta_sigmas", beta],
};

/** Levels given by sigma: spaced timesteps, or a schedule between the sigmas at their ends. */
export function sigmaLayout(options: SchedulerOptions, steps: number, style: SigmaStyle, custom?: number[]): Layout {
  const table = finiteTableOf(options);
  const named = conversionOf(options);
  const least = table.sigmas[0]!;
  if (custom && named) throw new InputError(`A list of timesteps cannot be walked on the schedule ${named}.`);
  const timesteps = custom ?? spaced(options, steps, style.endPoint, clippedTimesteps(table, options));
  const visited = style.endPoint ? timesteps.map(roundHalfEven) : timesteps;
  let sigmas = visited.map((t) => sigmaAt(table, t));
  let times = visited;
  let final = options.final_sigmas_type === "zero" ? [0] : [least];

  if (named) {
    const [high, low] = style.range === "spaced" ? [sigmas[0]!, sigmas.at(-1)!] : [table.sigmas.at(-1)!, least];
    const range = { sigmaMin: options.sigma_min ?? low, sigmaMax: options.sigma_max ?? high };
    sigmas = conversions[named]![1]({ steps: visited.length, table, ...range });
    times = sigmas.map((sigma) => style.quantize(timestepAt(table, sigma), named, options));
    if (style.repeatLast && final[0] !== 0) final = sigmas.slice(-1);
  } else if (options.interpolation_type === "log_linear") {
    sigmas = linspace(Math.log(table.sigmas.at(-1)!), Math.log(least), visited.length + 1).map(Math.exp);
  }
  sigmas = [...sigmas, ...final].map(Math.fround);
  if (options.timestep_type === "continuous" && options.prediction_type === "v_prediction") {
    times = sigmas.slice(0, -1).map((sigma) => Math.log(sigma) / 4);
  }
  return {
    levels: sigmas.slice(0, visited.length + 1).map((sigma, i) => style.frame(sigma, times[i])),
    sigmas,
    initNoiseSigma: initNoise(style, options, sigmas),
    schedule: named ?? options.timestep_spacing,
  };
}

function conversionOf(options: SchedulerOptions): string | undefined {
  const wanted = Object.entries(conversions).filter(([, [flag]]) => options[flag as keyof SchedulerOptions]);
  if (wanted.length > 1) {
    throw new InputError(`Only one of ${wanted.map(([, [flag]]) => flag).join(", ")} can be used at a time.`);
  }
  return wanted[0]?.[0];
}

/** How many of the noisiest timesteps have λ below lambda_min_clipped and are left out. */
function clippedTimesteps(table: NoiseTable, { lambda_min_clipped: clip }: SchedulerOptions): number {
  if (clip === -Infinity) return 0;
  return table.alphasCumprod.reduce((n, _, t) => n + (lambdaOf(levelAt(table, t)) < clip ? 1 : 0), 0);
}

/** The exploding frame starts at sigma itself, or, when spaced `leading`, at noise on top of a unit signal. */
function initNoise({ frame }: SigmaStyle, { timestep_spacing: spacing }: SchedulerOptions, sigmas: number[]): number {
  if (frame(1).alpha !== 1) return 1;
  const greatest = Math.max(...sigmas);
  return spacing === "leading" ? Math.hypot(greatest, 1) : greatest;
}

/** The continuous levels of Karras et al. (2022), whose timestep is log(sigma)/4. */
export function edmLayout(options: SchedulerOptions, steps: number): Layout {
  const { sigma_min, sigma_max, sigma_schedule: schedule, final_sigmas_type, rho } = options;
  const range = { steps, sigmaMin: sigma_min!, sigmaMax: sigma_max! };
  const sigmas = (schedule === "karras" ? karras(range, rho) : exponential(range)).map(Math.fround);
  sigmas.push(final_sigmas_type === "zero" ? 0 : sigmas.at(-1)!);
  const levels = sigmas.map((sigma) => exploding(sigma, Math.log(sigma) / 4));
  return { levels, sigmas, initNoiseSigma: Math.hypot(sigma_max!, 1), schedule };
}
