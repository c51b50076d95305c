import { brownianNoise, type DrawNoise, guidanceRests, guidedSteps, type Walk } from "../diffusion/index.ts";
import { pictureFromPixels } from "../image/picture.ts";
import { guidanceEmbedding } from "../models/index.ts";
import { createGenerator, float32, inTurns, type NoiseSource, sizeOf, type Tensor } from "../tensor/index.ts";
import type { ClipTokenizer } from "../text/index.ts";
import { type Beginning, fromNoise, fromPicture, type InitPicture, layOver, stepsSkipped } from "./beginning.ts";
import { deepRounds } from "./deep-rounds.ts";
import { createEstimate } from "./estimate.ts";
import type { DrawingEvent, EventBesideSteps, GenerateEvent, StepProgress } from "./events.ts";
import type { Look } from "./guided-prediction.ts";
import type { UnetCall } from "./inside.ts";
import { createInsideView } from "./inside-view.ts";
import type { Networks, UnetCut } from "./networks.ts";
import type { NoisePredictor } from "./noise-predictor.ts";
import type { PicturePrompts } from "./picture-prompts.ts";
import type { PreviewFactors } from "./preview.ts";
import { type ModelFacts, walkOf } from "./resolve.ts";
import type { ResolvedSettings } from "./settings.ts";
import { type Steps, shownSteps } from "./steps.ts";
import { unseenSteps } from "./unseen-steps.ts";
import { encodeWords } from "./words.ts";

export interface DrawingTools extends ModelFacts {
  readonly networks: Networks;
  readonly tokenizer: ClipTokenizer;
  readonly signal?: AbortSignal;
  /** Absent when no previews were asked for. */
  readonly previewFactors?: PreviewFactors;
  /** Whether steps tell what went on inside the U-Net. */
  readonly inside?: boolean;
  /** Absent when the picture starts from noise alone. */
  readonly init?: InitPicture;
  /** One for each picture, where they differ. */
  readonly prompts?: readonly PicturePrompts[];
}

/**
 * Text to image by latent diffusion (Rombach et al. 2022): the prompt's embedding, then for each picture noise (or a
 * picture with noise), a walk down the noise levels with the guided prediction, and the decoder.
 */
export function textToImage(
  settings: ResolvedSettings,
  tools: DrawingTools,
): AsyncGenerator<GenerateEvent, void, void> {
  const view = tools.inside ? createInsideView() : undefined;
  return drawAll(settings, tools, shownSteps({ ...tools, view }), view?.see);
}

/** The same picture where nobody looks at its latents. They stay with the runtime where that gains something. */
export function textToImageUnseen(
  settings: ResolvedSettings,
  tools: Omit<DrawingTools, "previewFactors" | "inside">,
): AsyncGenerator<DrawingEvent, void, void> {
  return drawAll(settings, tools, unseenSteps);
}

async function* drawAll<Step extends StepProgress>(
  settings: ResolvedSettings,
  tools: DrawingTools,
  steps: Steps<Step>,
  watch?: (call: UnetCall) => void,
): AsyncGenerator<EventBesideSteps | Step, void, void> {
  const unet = tools.networks.noisePredictor(cutOf(settings, tools), watch);
  try {
    yield* drawWith(settings, tools, unet, steps);
  } finally {
    unet.dispose();
  }
}

async function* drawWith<Step extends StepProgress>(
  settings: ResolvedSettings,
  tools: DrawingTools,
  unet: NoisePredictor,
  stepsOf: Steps<Step>,
): AsyncGenerator<EventBesideSteps | Step, void, void> {
  const { networks, checkpoint, scale, signal } = tools;
  const conditionDim = checkpoint.unet.config["time_cond_proj_dim"] as number | null | undefined;
  const timestepCond = conditionDim ? guidanceEmbedding(settings.guidance, conditionDim) : undefined;

  const shape = [1, tools.latentChannels, settings.height / scale, settings.width / scale];
  const { strength = 1 } = settings;
  const begin = tools.init ? stepsSkipped(settings.steps, strength) : 0;
  const walk = walkOf(settings, checkpoint, begin);
  const { timesteps, sigmas, calls, initNoiseSigma } = walk;
  const steps = settings.steps - begin;
  const { first, end } = guidedSteps(steps, settings.guidanceInterval);
  const rounds = deepRounds(settings, steps);
  const wordTools = { ...tools, steps, distilled: Boolean(conditionDim), known: new Map() };
  let words = yield* encodeWords({ ...settings, ...tools.prompts?.[0] }, wordTools);
  const estimate = createEstimate(settings.count, calls);
  for (let picture = 0; picture < settings.count; picture++) {
    const own = { ...settings, ...tools.prompts?.[picture] };
    if (picture > 0 && tools.prompts) words = yield* encodeWords(own, wordTools);
    const start = performance.now();
    const seed = seedOf(settings, picture);
    const draw = noiseOf(settings, picture, shape, walk);
    const beginning: Beginning = tools.init
      ? await fromPicture(tools.init, { walk, shape, draw, networks, channels: tools.inputChannels, strength, signal })
      : fromNoise({ walk, draw });
    const { noise, initial } = beginning;
    yield {
      type: "start",
      picture,
      seed,
      noise: float32(shape, noise),
      initNoiseSigma,
      initial: float32(shape, initial),
      timesteps,
      sigmas,
    };

    let call = 0;
    const roundOf = rounds();
    const nextLook = (timestep: number, sigma: number): Look => {
      const step = walk.steps[Math.min(call, calls - 1)]!;
      const told = words.at(step);
      const guided = step >= first && step < end && !guidanceRests(call, sigma, settings.ngms);
      call++;
      return { shape, timestep, told, timestepCond, guided, round: roundOf(step) };
    };
    const way = { picture, walk, shape, beginning, draw, settings, unet, signal, estimate, nextLook };
    const latents = yield* stepsOf(way);

    yield { type: "decode", picture, secondsLeft: estimate.secondsLeft };
    const decoded = await networks.decode(float32(shape, latents), { tiled: settings.tiling, signal });
    signal?.throwIfAborted();
    estimate.done("decode");
    const pixels = await toPixels(decoded);
    if (tools.init) layOver(tools.init, pixels);
    const image = await pictureFromPixels(pixels);
    const seconds = (performance.now() - start) / 1000;
    yield { type: "image", picture, image, pixels, settings: { ...own, seed, count: 1 }, seconds };
  }
}

/** Where the U-Net is cut, and what of it is merged, so that a picture of these settings can be drawn. */
export function cutOf(
  {
    deepCache,
    deepCacheBranch,
    tokenMerging,
  }: Pick<ResolvedSettings, "deepCache" | "deepCacheBranch" | "tokenMerging">,
  { inside: maps }: Pick<DrawingTools, "inside"> = {},
): UnetCut {
  return { ...(deepCache && { branch: deepCacheBranch }), merged: tokenMerging, maps };
}

/** From the decoder's −1…1 to 0…1, in place. */
async function toPixels(decoded: Tensor<"float32">): Promise<Tensor<"float32">> {
  const { data } = decoded;
  await inTurns(data.length, (from, to) => {
    for (let i = from; i < to; i++) data[i] = Math.min(1, Math.max(0, data[i]! / 2 + 0.5));
  });
  return decoded;
}

/** Picture i of several has a generator of its own, or its share of the one that all have. */
function seedOf({ seed, noise }: ResolvedSettings, picture: number): number {
  return noise === "each" ? seed + picture : seed;
}

/**
 * Draws standard normal noise of `shape` for one picture, again and again from one generator; noise for a stretch of levels
 * comes from Brownian motion of the same seed.
 */
function noiseOf(settings: ResolvedSettings, picture: number, shape: readonly number[], { sigmas }: Walk): DrawNoise {
  const seed = seedOf(settings, picture);
  const size = sizeOf(shape);
  const each = settings.noise === "each";
  const from = (generator: NoiseSource) =>
    each
      ? generator.randn(shape)
      : generator.randn([settings.count, ...shape.slice(1)]).slice(picture * size, (picture + 1) * size);
  const generator = createGenerator(settings.rng, seed);
  let brownian: ReturnType<typeof brownianNoise> | undefined;
  return (stretch) => {
    if (!stretch) return from(generator);
    brownian ??= brownianNoise({ sigmas, seed, randn: (own) => from(createGenerator(settings.rng, own)) });
    return brownian(stretch);
  };
}
