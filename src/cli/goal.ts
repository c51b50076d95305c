import { goalOf } from "../pipelines/goal.ts";
import { NO_GOAL } from "../pipelines/goals.ts";
import type { GenerateSettings, Goal, ResolvedSettings } from "../pipelines/settings.ts";
import { InputError } from "../tensor/index.ts";
import type { FoundConfig } from "./config.ts";
import { asUsage } from "./errors.ts";

/**
 * The goal of `--goal`, or of the config file's defaults where a picture's settings are not taken over.
 *
 * @throws UsageError for an option that names no goal; InputError where the config file does
 */
export async function goalAsked(
  { goal, from }: { readonly goal?: string; readonly from?: string },
  { file, config }: FoundConfig,
): Promise<Goal | undefined> {
  if (goal !== undefined) return goal === NO_GOAL ? undefined : asUsage(() => goalOf(goal, { config }));
  const usual = config.defaults?.goal;
  if (usual === undefined || usual === NO_GOAL || from !== undefined) return undefined;
  try {
    return goalOf(usual, { config });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${file}: "defaults.goal": ${error.message}`) : error;
  }
}

/** A goal that only says where settings came from: it sets none. */
export function goalInName(name: string): Goal {
  return { name, about: "", settings: {}, writer: {} };
}

/** What a goal came to, in one line. */
export function goalLine(goal: Goal, settings: ResolvedSettings): string {
  const { steps, width, height, guidance, sampler, schedule } = settings;
  const parts = [`${steps} ${steps === 1 ? "step" : "steps"}`, `${width}×${height}`, `guidance ${guidance}`];
  const own = (key: keyof Goal["settings"]): boolean => goal.settings[key] !== undefined;
  if (own("guidanceRescale")) parts.push(`guidance rescale ${settings.guidanceRescale}`);
  if (own("guidanceInterval")) parts.push(`guided from ${settings.guidanceInterval.join(" to ")}`);
  if (own("deepCache")) {
    const { deepCache = 1, deepCacheFrom, deepCacheLate } = settings;
    const late = deepCacheLate === undefined ? "" : `, late ${deepCacheLate}`;
    parts.push(`DeepCache ${deepCache}${deepCacheFrom ? ` from ${deepCacheFrom}` : ""}${late}`);
  }
  if (own("ngms")) parts.push(`NGMS ${settings.ngms}`);
  if (own("tokenMerging")) parts.push(`token merging ${settings.tokenMerging ?? 0}`);
  if (own("sampler") || own("schedule")) parts.push([sampler, schedule].filter(Boolean).join(" "));
  if (own("eta") && settings.eta !== undefined) parts.push(`eta ${settings.eta}`);
  if (own("clipSkip")) parts.push(`clip skip ${settings.clipSkip}`);
  if (own("negativePrompt")) parts.push(`not "${settings.negativePrompt}"`);
  return `Goal ${goal.name}: ${parts.join(", ")}.`;
}

/** What a goal sets, before any model has a say. */
export function goalWords({ settings, writer }: Goal): string {
  const { width, height, ...others } = settings satisfies Partial<GenerateSettings>;
  const size = width || height ? { size: `${width ?? "?"}×${height ?? "?"}` } : {};
  const written = Object.fromEntries(
    Object.entries({ prompts: writer.count, "tokens at most": writer.maxLength, temperature: writer.temperature }),
  );
  return Object.entries({ ...others, ...size, ...written })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${spaced(key)} ${Array.isArray(value) ? value.join(" to ") : value}`)
    .join(", ");
}

/** "guidanceRescale" → "guidance rescale". */
export function spaced(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
