import { createWalk, type SchedulerConfig, type Walk } from "../diffusion/index.ts";
import { InputError, randomSeed } from "../tensor/index.ts";
import type { Checkpoint } from "../weights/index.ts";
import { stepsSkipped } from "./beginning.ts";
import type { ModelDefaults } from "./defaults.ts";
import { emphases } from "./emphasis.ts";
import { fitGoal } from "./fit-goal.ts";
import { fittedSize } from "./init-picture.ts";
import { limits, MAX_AREA, real, type WeightForm, whole } from "./limits.ts";
import { tiledByDefault } from "./networks.ts";
import { type GenerateSettings, promptSyntaxes, type ResolvedSettings } from "./settings.ts";
import { checkPrompts, plainWords } from "./words.ts";

/** What a checkpoint brings to the settings. */
export interface ModelFacts {
  readonly name: string;
  readonly checkpoint: Checkpoint;
  readonly defaults: ModelDefaults;
  /** What weights are computed with. */
  readonly weights: WeightForm;
  /** Pixels per place of the latent. */
  readonly scale: number;
  readonly textLayers: number;
  /** Skips of the U-Net: where `unetParts` can cut it. */
  readonly unetBranches: number;
  /** Of the U-Net: the latents', and in an inpainting model those of mask and masked picture. */
  readonly inputChannels: number;
  readonly latentChannels: number;
}

type Size = Pick<ResolvedSettings, "width" | "height">;

/**
 * Fills what was left open with what suits the model.
 *
 * @throws InputError naming the setting, what it was and what it may be
 */
export function resolveSettings(wanted: GenerateSettings, facts: ModelFacts): ResolvedSettings {
  const { name, checkpoint, defaults, scale, textLayers, weights } = facts;
  const { settings: asked, goal } = fitGoal(wanted, facts);
  const { clipSkip } = asked;
  const start = startOf(asked, facts);
  // One side alone says nothing about the other: the model's own size stands for it.
  const fits = asked.image && asked.width === undefined && asked.height === undefined;
  const usual = fits ? fittedSize(asked.image!, defaults.width * defaults.height, scale) : defaults;
  const { width, height } = checkSize(
    { width: asked.width ?? usual.width, height: asked.height ?? usual.height },
    scale,
  );
  if (clipSkip !== undefined) whole("clip skip", clipSkip, [1, textLayers]);
  const settings: ResolvedSettings = {
    prompt: text("prompt", asked.prompt),
    ...(goal && { goal: goal.name }),
    negativePrompt: text("negative prompt", asked.negativePrompt ?? ""),
    promptSyntax: oneOf("prompt syntax", asked.promptSyntax ?? "a1111", promptSyntaxes),
    emphasis: oneOf("emphasis", asked.emphasis ?? "original", emphases),
    steps: whole("steps", asked.steps ?? defaults.steps, limits.steps),
    width,
    height,
    guidance: real("guidance", asked.guidance ?? defaults.guidance, limits.guidance),
    guidanceRescale: real("guidance rescale", asked.guidanceRescale ?? 0, limits.guidanceRescale),
    guidanceInterval: interval(asked.guidanceInterval ?? [0, 1]),
    ngms: real("ngms", asked.ngms ?? 0, limits.ngms),
    ...deepCacheOf(asked, facts),
    ...((asked.tokenMerging ?? 0) !== 0 && {
      tokenMerging: real("tokenMerging", asked.tokenMerging!, limits.tokenMerging),
    }),
    sampler: asked.sampler ?? defaults.sampler ?? "",
    schedule: asked.schedule ?? (asked.sampler === undefined ? (defaults.schedule ?? "") : ""),
    eta: asked.eta === undefined ? undefined : real("eta", asked.eta, limits.eta),
    seed: whole("seed", asked.seed ?? randomSeed(), limits.seed),
    rng: oneOf("rng", asked.rng ?? "cpu", ["cpu", "cuda"]),
    count: whole("count", asked.count ?? 1, limits.count),
    ...((asked.bestOf ?? 1) !== 1 && { bestOf: whole("best of", asked.bestOf!, limits.bestOf) }),
    noise: oneOf("noise", asked.noise ?? "each", ["each", "batch"]),
    clipSkip,
    tiling: asked.tiling ?? tiledByDefault({ height: height / scale, width: width / scale }),
    ...start,
    ...(asked.adapters?.length && {
      adapters: asked.adapters.map(({ file, scale = 1 }) => ({
        name: adapterName(file),
        scale: real("The scale of an adapter", scale, limits.adapterScale),
      })),
    }),
    schedulerConfig: asked.schedulerConfig,
    model: name,
    ...(weights !== "float32" && { weights }),
  };
  const begin = settings.strength === undefined ? 0 : stepsSkipped(settings.steps, settings.strength);
  const { sampler, schedule } = walkOf(settings, checkpoint, begin);
  checkPrompts(settings, settings.steps - begin);
  if (settings.bestOf) plainWords(settings);
  return { ...settings, sampler, schedule };
}

/** @throws InputError for pixels that cannot be drawn, naming a size nearby that can */
export function checkSize(wanted: Size, scale: number): Size {
  for (const key of ["width", "height"] as const) {
    const pixels = whole(key, wanted[key], [scale, limits.side[1]]);
    if (pixels % scale === 0) continue;
    const near = Math.max(scale, Math.round(pixels / scale) * scale);
    throw new InputError(`${key} is ${pixels} pixels; it has to be a multiple of ${scale}, for example ${near}.`);
  }
  const { width, height } = wanted;
  if (width * height <= MAX_AREA) return { width, height };
  throw new InputError(
    `A picture of ${width}×${height} is too large: at most ${MAX_AREA} pixels (for example 2048×2048).`,
  );
}

/** Every n-th call is every call where n is 1. */
function deepCacheOf(
  { deepCache, ...others }: GenerateSettings,
  { name, unetBranches }: ModelFacts,
): Pick<ResolvedSettings, "deepCache" | "deepCacheBranch" | "deepCacheFrom" | "deepCacheLate"> {
  if (deepCache === undefined) {
    const alone = (["deepCacheBranch", "deepCacheFrom", "deepCacheLate"] as const).find(
      (key) => others[key] !== undefined,
    );
    if (alone === undefined) return {};
    throw new InputError(`${alone} is given, but no deepCache.`);
  }
  const interval = whole("deepCache", deepCache, limits.deepCache);
  const branch = others.deepCacheBranch ?? 0;
  if (!Number.isInteger(branch) || branch < 0 || branch >= unetBranches) {
    throw new InputError(`deepCacheBranch is ${branch}; the U-Net of ${name} has those from 0 to ${unetBranches - 1}.`);
  }
  const from = real("deepCacheFrom", others.deepCacheFrom ?? 0, limits.deepCacheFrom);
  const late =
    others.deepCacheLate === undefined ? undefined : whole("deepCacheLate", others.deepCacheLate, limits.deepCacheLate);
  if (interval === 1) return {};
  return {
    deepCache: interval,
    deepCacheBranch: branch,
    deepCacheFrom: from,
    ...(late !== undefined && { deepCacheLate: late }),
  };
}

/** The settings of a picture to start from, and whether there has to be one. */
function startOf(
  { image, mask, init, strength, maskBlur }: GenerateSettings,
  { name, inputChannels, latentChannels }: ModelFacts,
): Pick<ResolvedSettings, "strength" | "maskBlur"> {
  if (image && init) throw new InputError("image and init are both given: the picture to start from is one of them.");
  const masked = mask !== undefined || init?.mask !== undefined;
  if (inputChannels !== latentChannels && !masked) {
    const only = image || init ? "it paints inside a mask, and none is given" : "it paints into a picture";
    throw new InputError(
      `${name} is an inpainting model: ${only}. Give a picture and a mask, or take a model that draws without.`,
    );
  }
  const alone = Object.entries({ mask, strength, maskBlur }).find(([, value]) => value !== undefined);
  if (!image && !init) {
    if (!alone) return {};
    throw new InputError(`${alone[0]} is given, but no picture to start from.`);
  }
  if (maskBlur !== undefined && !mask) throw new InputError("maskBlur is given, but no mask.");
  return {
    strength: real("strength", strength ?? (masked ? 1 : 0.8), limits.strength),
    ...(mask && { maskBlur: real("mask blur", maskBlur ?? 4, limits.maskBlur) }),
  };
}

/** Channels of an inpainting U-Net's input: latents, mask, masked picture. */
const INPAINTING_CHANNELS = 9;

/**
 * What diffusers' pipelines correct in whatever scheduler config a checkpoint brings, where the scheduler's class has the
 * option: StableDiffusionPipeline two keys, StableDiffusionInpaintPipeline one of them and another,
 * LatentConsistencyModelPipeline (whose U-Net is told the guidance) none.
 */
function pipelineOverrides({ unet }: Checkpoint): SchedulerConfig {
  if (unet.config["time_cond_proj_dim"]) return {};
  if (unet.config["in_channels"] === INPAINTING_CHANNELS) return { steps_offset: 1, skip_prk_steps: true };
  return { steps_offset: 1, clip_sample: false };
}

/** The schedule and sampler of the settings. Throws an InputError for names and numbers that do not fit together. */
export function walkOf(settings: ResolvedSettings, checkpoint: Checkpoint, begin = 0): Walk {
  return createWalk({
    sampler: settings.sampler || undefined,
    schedule: settings.schedule || undefined,
    steps: settings.steps,
    begin,
    eta: settings.eta,
    config: { ...checkpoint.scheduler, ...pipelineOverrides(checkpoint), ...settings.schedulerConfig },
  });
}

function text(name: string, value: string): string {
  if (typeof value === "string") return value;
  throw new InputError(`The ${name} has to be a text, not ${typeof value}.`);
}

function oneOf<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value;
  throw new InputError(`${name} is "${value}"; it has to be one of ${choices.join(", ")}.`);
}

function interval([from, to]: readonly [number, number]): readonly [number, number] {
  if (from >= 0 && from <= to && to <= 1) return [from, to];
  throw new InputError(`The guidance interval is ${from} to ${to}; it has to rise and lie within 0 to 1.`);
}

/** What an adapter's file is called by in prompts and metadata. */
export function adapterName(file: string): string {
  return file.replace(/^.*[/\\]/, "").replace(/\.safetensors$/, "");
}
