import { InputError } from "../tensor/index.ts";
import { type BorrowedSampler, borrowedSamplers, type KSampler, kSamplers } from "./a1111.ts";
import type { DiffusersClass } from "./diffusers/class.ts";
import { classes } from "./diffusers/classes.ts";
import type { SchedulerOptions } from "./options.ts";
import type { Schedule } from "./schedule.ts";
import { alignYourSteps } from "./schedules/align-your-steps.ts";
import { beta } from "./schedules/beta.ts";
import { exponential } from "./schedules/exponential.ts";
import { karras } from "./schedules/karras.ts";
import { normal } from "./schedules/normal.ts";
import { polyexponential } from "./schedules/polyexponential.ts";
import { sgmUniform } from "./schedules/sgm-uniform.ts";
import { simple } from "./schedules/simple.ts";
import { vp } from "./schedules/vp.ts";

/** A noise schedule by name. */
export interface ScheduleInfo {
  /** As the web UI writes it. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly description: string;
  /** For the samplers of k-diffusion; absent where only diffusers classes know it. */
  readonly schedule?: Schedule;
  /** What it means to a diffusers class; absent where only k-diffusion's samplers know it. */
  readonly options?: Partial<SchedulerOptions>;
}

const unconverted = { use_karras_sigmas: false, use_exponential_sigmas: false, use_beta_sigmas: false };

export const schedules: readonly ScheduleInfo[] = [
  { name: "Automatic", aliases: [], description: "What suits the sampler, or what the checkpoint says", options: {} },
  { name: "Uniform", aliases: ["Normal"], description: "Uniform over the trained timesteps", schedule: normal },
  {
    name: "Karras",
    aliases: [],
    description: "Short steps near the picture (Karras et al. 2022)",
    schedule: karras,
    options: { ...unconverted, use_karras_sigmas: true },
  },
  {
    name: "Exponential",
    aliases: [],
    description: "Uniform in log sigma",
    schedule: exponential,
    options: { ...unconverted, use_exponential_sigmas: true },
  },
  {
    name: "Polyexponential",
    aliases: [],
    description: "A polynomial in log sigma; of degree 1 here, as in the web UI: Exponential",
    schedule: polyexponential,
  },
  {
    name: "SGM Uniform",
    aliases: [],
    description: "Uniform over the trained timesteps, the last one left out",
    schedule: sgmUniform,
  },
  { name: "Simple", aliases: [], description: "Every k-th trained sigma", schedule: simple },
  {
    name: "Align Your Steps",
    aliases: ["AYS"],
    description: "Levels optimised for Stable Diffusion in about 10 steps (Sabour et al. 2024)",
    schedule: alignYourSteps,
  },
  {
    name: "Beta",
    aliases: [],
    description: "Dense at both ends (Lee et al. 2024)",
    schedule: beta,
    options: { ...unconverted, use_beta_sigmas: true },
  },
  {
    name: "VP",
    aliases: [],
    description: "The continuous process of Song et al. 2021; starts at ten times Stable Diffusion's noise",
    schedule: vp,
  },
  {
    name: "Lu",
    aliases: [],
    description: "Uniform in λ, with DPM-Solver's rounding of timesteps",
    options: { ...unconverted, use_lu_lambdas: true },
  },
  {
    name: "Leading",
    aliases: [],
    description: "Evenly spaced timesteps that miss the noisiest one: Stable Diffusion's own",
    options: { ...unconverted, timestep_spacing: "leading" },
  },
  {
    name: "Linspace",
    aliases: [],
    description: "Evenly spaced timesteps from the noisiest to the first",
    options: { ...unconverted, timestep_spacing: "linspace" },
  },
  {
    name: "Trailing",
    aliases: [],
    description: "Evenly spaced timesteps that start on the noisiest one",
    options: { ...unconverted, timestep_spacing: "trailing" },
  },
];

/** A sampler by name. */
export interface SamplerInfo {
  readonly name: string;
  /** Other spellings. Case, spaces, `_` and `-` do not matter, and `++` may be written `pp`. */
  readonly aliases: readonly string[];
  /** Whose numbers it gives: a class of diffusers, or k-diffusion over the web UI's schedule. */
  readonly family: "diffusers" | "a1111";
  readonly description: string;
  /** Whether it draws fresh noise on its way, as configured by default. */
  readonly stochastic: boolean;
  readonly callsPerStep: 1 | 2 | "varies";
  readonly takesEta: boolean;
  /** Names of the schedules that it can walk. */
  readonly schedules: readonly string[];
}

/** How a sampler is run; what `SamplerInfo` does not show. */
export type SamplerEntry = SamplerInfo &
  (
    | { readonly kind: "k"; readonly sampler: KSampler }
    | { readonly kind: "class"; readonly class: DiffusersClass; readonly options: Partial<SchedulerOptions> }
  );

function kEntry([name, sampler]: [string, KSampler]): SamplerEntry {
  const walked = schedules.filter((info) => info.schedule && !sampler.ownSteps).map((info) => info.name);
  return {
    kind: "k",
    sampler,
    name,
    aliases: [...sampler.aliases, ...(firstOf(sampler.function) === sampler ? [sampler.function] : [])],
    family: "a1111",
    description: sampler.description,
    stochastic: sampler.stochastic ?? false,
    callsPerStep: sampler.callsPerStep ?? 1,
    takesEta: sampler.takesEta ?? false,
    schedules: ["Automatic", ...walked],
  };
}

/** Two samplers may be one function with other arguments; its name then means the first. */
function firstOf(name: string): KSampler | undefined {
  return Object.values<KSampler>(kSamplers).find((sampler) => sampler.function === name);
}

function classEntry(name: string, found: DiffusersClass, borrowed?: { as: string } & BorrowedSampler): SamplerEntry {
  return {
    kind: "class",
    class: found,
    options: borrowed?.options ?? {},
    name: borrowed?.as ?? name,
    // "DDIM" is a name of its own already, for the same class.
    aliases: [name.replace(/Scheduler$/, "")].filter((alias) => !borrowed && !(alias in borrowedSamplers)),
    family: borrowed ? "a1111" : "diffusers",
    description: found.description,
    stochastic: found.stochastic ?? false,
    callsPerStep: found.callsPerStep ?? 1,
    takesEta: found.takesEta ?? false,
    schedules: schedules.filter((info) => takes(found, info)).map((info) => info.name),
  };
}

/** A class knows a schedule when it knows the option that the schedule turns on. */
function takes(found: DiffusersClass, info: ScheduleInfo): boolean {
  if (!info.options) return false;
  return Object.entries(info.options).every(([key, value]) => value === false || key in found.defaults);
}

const entries: readonly SamplerEntry[] = [
  ...Object.entries(kSamplers).map(kEntry),
  ...Object.entries(borrowedSamplers).map(([as, borrowed]) =>
    classEntry(borrowed.class, classes[borrowed.class], { as, ...borrowed }),
  ),
  ...Object.entries(classes).map(([name, found]) => classEntry(name, found)),
];

/** Every sampler: the web UI's names first, then diffusers' classes. */
export const samplers: readonly SamplerInfo[] = entries;

/**
 * The sampler that `name` means. The web UI's old combined names ("DPM++ 2M Karras") are understood too, their schedule
 * left to `findEntry`. Throws an InputError that lists the names.
 */
export function findSampler(name: string): SamplerInfo {
  return findEntry(name).entry;
}

/** The sampler that `name` means, and the schedule where the name ends in one. */
export function findEntry(name: string): { entry: SamplerEntry; schedule?: string } {
  const exact = match(entries, name);
  if (exact) return { entry: exact };
  for (const info of schedules) {
    const suffix = key(info.name);
    const entry = key(name).endsWith(suffix) ? match(entries, key(name).slice(0, -suffix.length)) : undefined;
    if (entry?.schedules.includes(info.name)) return { entry, schedule: info.name };
  }
  throw new InputError(`There is no sampler "${name}". Known: ${entries.map((entry) => entry.name).join(", ")}.`);
}

/** The schedule that `name` means. Throws an InputError that lists the names. */
export function findSchedule(name: string): ScheduleInfo {
  const found = match(schedules, name);
  if (found) return found;
  throw new InputError(`There is no schedule "${name}". Known: ${schedules.map((info) => info.name).join(", ")}.`);
}

function match<T extends { name: string; aliases: readonly string[] }>(all: readonly T[], name: string): T | undefined {
  const wanted = key(name);
  return all.find((info) => [info.name, ...info.aliases].some((known) => key(known) === wanted));
}

/** A name without what people write differently. */
function key(name: string): string {
  return name
    .toLowerCase()
    .replaceAll("++", "pp")
    .replace(/[\s_-]/g, "");
}
