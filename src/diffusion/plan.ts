import { InputError } from "../tensor/index.ts";
import type { KSampler } from "./a1111.ts";
import { type Denoiser, discreteDenoiser, edmDenoiser } from "./denoiser.ts";
import { churned, type DiffusersClass, stableForward } from "./diffusers/class.ts";
import { finiteTableOf } from "./diffusers/layout.ts";
import { exploding, type Level } from "./level.ts";
import { resolveOptions, type SchedulerConfig, type SchedulerOptions, type WalkOptions } from "./options.ts";
import { findEntry, findSchedule, type SamplerEntry } from "./registry.ts";
import type { Journey, Walker } from "./sampler.ts";

/** Everything that a walk needs, whichever family it comes from. */
export interface Plan {
  readonly sampler: string;
  readonly schedule: string;
  readonly steps: number;
  /** The levels from step `begin` on, the last one included. */
  levelsFrom(begin: number): readonly Level[];
  readonly sigmas: readonly number[];
  readonly initNoiseSigma: number;
  readonly denoiser: Denoiser;
  /** What the latents are decides where the walk asks. */
  readonly decides?: boolean;
  /** `begin`: how many levels the journey leaves out at its start. */
  walk(journey: Journey, begin: number): Walker;
}

/** Looks up the names in `options`, checks the numbers, and lays out the levels. */
export function planWalk(options: WalkOptions): Plan {
  const name = options.sampler ?? options.config["_class_name"];
  if (typeof name !== "string") {
    throw new InputError("The checkpoint's scheduler config names no _class_name: say which sampler to use.");
  }
  const { entry, schedule: implied } = findEntry(name);
  const schedule = findSchedule(options.schedule ?? implied ?? "Automatic").name;
  if (!entry.schedules.includes(schedule)) {
    const known = entry.schedules.join(", ");
    throw new InputError(`${entry.name} cannot walk the schedule ${schedule}. It takes: ${known}.`);
  }
  checkNumbers(options, entry);
  return entry.kind === "k" ? kPlan(options, entry.name, entry.sampler, schedule) : classPlan(options, entry, schedule);
}

function checkNumbers({ steps, eta, begin = 0, timesteps }: WalkOptions, entry: SamplerEntry): void {
  if (!Number.isInteger(steps) || steps < 1) throw new InputError(`Steps must be a whole number from 1, not ${steps}.`);
  if (eta !== undefined && !entry.takesEta) throw new InputError(`${entry.name} takes no eta.`);
  if (timesteps && !(entry.kind === "class" && entry.class.takesTimesteps)) {
    throw new InputError(`${entry.name} takes no list of timesteps.`);
  }
  if (!Number.isInteger(begin) || begin < 0)
    throw new InputError(`The first step must be a whole number, not ${begin}.`);
}

function checkSteps(steps: number, most: number, name: string): void {
  if (steps > most) throw new InputError(`${name} can take at most ${most} steps with this model, not ${steps}.`);
}

/** What the caller says of the options that a checkpoint's config may hold too. */
function overrides({ predictionType, eta }: WalkOptions): SchedulerConfig {
  return { ...(predictionType && { prediction_type: predictionType }), ...(eta !== undefined && { eta }) };
}

function classPlan(options: WalkOptions, entry: SamplerEntry & { kind: "class" }, schedule: string): Plan {
  const { class: found, name } = entry;
  const asked: SchedulerConfig = { ...entry.options, ...findSchedule(schedule).options };
  const settings = resolveOptions(name, found.defaults, options.config, asked, overrides(options));
  const timesteps = options.timesteps && checkTimesteps(options.timesteps, settings, name);
  checkSteps(options.steps, settings.num_train_timesteps, name);
  const setup = found.setUp(settings, timesteps?.length ?? options.steps, timesteps);
  const walked = findSchedule(setup.schedule).name;
  const { levels } = setup;
  return {
    ...setup,
    steps: levels.length - 1,
    levelsFrom: (begin) => levels.slice(begin),
    sampler: name,
    // A name that can be asked for again: some classes know one spacing and no option to choose it.
    schedule: entry.schedules.includes(walked) ? walked : "Automatic",
    denoiser: denoiserOf(found, settings, options),
  };
}

function denoiserOf(found: DiffusersClass, settings: SchedulerOptions, { batch }: WalkOptions): Denoiser {
  const { prediction_type: predictionType, dynamic_thresholding_ratio: ratio, sample_max_value: max } = settings;
  if (found.edm) return edmDenoiser({ predictionType, sigmaData: settings.sigma_data });
  return discreteDenoiser({
    predictionType,
    table: finiteTableOf(settings),
    clip: settings.clip_sample ? settings.clip_sample_range : undefined,
    thresholding: settings.thresholding ? { ratio, max } : undefined,
    keepEpsilon: found.keepEpsilon?.(settings),
    batch,
  });
}

function checkTimesteps(timesteps: readonly number[], settings: SchedulerOptions, name: string): number[] {
  const last = settings.num_train_timesteps - 1;
  timesteps.forEach((t, i) => {
    if (!(t >= 0 && t <= last)) throw new InputError(`${name}: timestep ${t} is not between 0 and ${last}.`);
    if (i > 0 && t >= timesteps[i - 1]!) throw new InputError(`${name}: timesteps must fall, but ${t} does not.`);
  });
  if (timesteps.length === 0) throw new InputError(`${name}: the list of timesteps is empty.`);
  return [...timesteps];
}

/** What k-diffusion reads of a checkpoint, with Stable Diffusion's betas where it names none. */
const kDefaults = {
  ...stableForward,
  ...churned,
  beta_schedule: "scaled_linear",
  rescale_betas_zero_snr: false,
  eta: 1,
} as const satisfies Partial<SchedulerOptions>;

function kPlan(options: WalkOptions, name: string, sampler: KSampler, asked: string): Plan {
  const settings = resolveOptions(name, kDefaults, options.config, overrides(options));
  checkSteps(options.steps, settings.num_train_timesteps, name);
  const table = finiteTableOf(settings);
  const [sigmaMin, sigmaMax] = [table.sigmas[0]!, table.sigmas.at(-1)!];
  const info = findSchedule(asked === "Automatic" ? (sampler.schedule ?? "Uniform") : asked);
  const more = sampler.dropsNextToLast ? 1 : 0;
  const scheduled = info.schedule!({ steps: options.steps + more, sigmaMin, sigmaMax, table }).slice(0, options.steps);
  const sigmasFrom = (begin: number) => {
    if (!sampler.ownSteps) return [...scheduled.slice(begin), 0];
    // It ends at the least trained sigma, which the schedule's last step starts from: there would be nowhere to go.
    return [begin > 0 ? scheduled[Math.min(begin, options.steps - 2)]! : sigmaMax, sigmaMin];
  };
  const sigmas = sigmasFrom(0);
  const { eta, s_churn: sChurn, s_tmin: sTmin, s_tmax: sTmax, s_noise: sNoise } = settings;
  return {
    sampler: name,
    schedule: sampler.ownSteps ? "Automatic" : info.name,
    steps: options.steps,
    levelsFrom: (begin) => sigmasFrom(begin).map((sigma) => exploding(Math.fround(sigma))),
    sigmas: sigmas.map(Math.fround),
    initNoiseSigma: Math.fround(sigmas[0]!),
    denoiser: discreteDenoiser({ predictionType: settings.prediction_type, table, batch: options.batch }),
    decides: sampler.decides,
    walk: (journey, begin) =>
      sampler.walk(journey, { eta, sChurn, sTmin, sTmax, sNoise, calls: options.steps - begin }),
  };
}
