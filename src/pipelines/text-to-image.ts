import {
  brownianNoise,
  type DrawNoise,
  guidanceApplies,
  guide,
  type Predict,
  rescaleGuidance,
  type Walk,
} from "../diffusion/index.ts";
import { pictureFromPixels } from "../image/picture.ts";
import { guidanceEmbedding } from "../models/index.ts";
import {
  createGenerator,
  float32,
  inTurns,
  int64,
  joined,
  type NoiseSource,
  sizeOf,
  type Tensor,
} from "../tensor/index.ts";
import type { ClipTokenizer } from "../text/index.ts";
import { type Beginning, fromNoise, fromPicture, type InitPicture, layOver, stepsSkipped } from "./beginning.ts";
import { createEstimate } from "./estimate.ts";
import type { GenerateEvent } from "./events.ts";
import type { Networks } from "./networks.ts";
import { type PreviewFactors, previewOf } from "./preview.ts";
import { type ModelFacts, walkOf } from "./resolve.ts";
import type { ResolvedSettings } from "./settings.ts";

export interface DrawingTools extends ModelFacts {
  readonly networks: Networks;
  readonly tokenizer: ClipTokenizer;
  readonly signal?: AbortSignal;
  /** Absent when no previews were asked for. */
  readonly previewFactors?: PreviewFactors;
  /** Absent when the picture starts from noise alone. */
  readonly init?: InitPicture;
}

/** What the U-Net is told about the words: one embedding, or two when guidance compares them. */
interface Words {
  readonly cond: Tensor<"float32">;
  readonly uncond?: Tensor<"float32">;
}

/**
 * Text to image by latent diffusion (Rombach et al. 2022): the prompt's embedding, then for each picture noise (or a
 * picture with noise), a walk down the noise levels with the guided prediction, and the decoder.
 */
export async function* textToImage(
  settings: ResolvedSettings,
  tools: DrawingTools,
): AsyncGenerator<GenerateEvent, void, void> {
  const { networks, checkpoint, scale, signal } = tools;
  const conditionDim = checkpoint.unet.config["time_cond_proj_dim"] as number | null | undefined;
  const words = yield* encodePrompt(settings, tools, needsUncond(settings, Boolean(conditionDim)));
  const timestepCond = conditionDim ? guidanceEmbedding(settings.guidance, conditionDim) : undefined;

  const shape = [1, tools.latentChannels, settings.height / scale, settings.width / scale];
  const { strength = 1 } = settings;
  const begin = tools.init ? stepsSkipped(settings.steps, strength) : 0;
  const walk = walkOf(settings, checkpoint, begin);
  const { timesteps, sigmas, calls, initNoiseSigma } = walk;
  const estimate = createEstimate(settings.count, calls);
  for (let picture = 0; picture < settings.count; picture++) {
    const start = performance.now();
    const seed = seedOf(settings, picture);
    const draw = noiseOf(settings, picture, shape, walk);
    const beginning: Beginning = tools.init
      ? await fromPicture(tools.init, { walk, shape, draw, networks, channels: tools.inputChannels, strength, signal })
      : fromNoise({ walk, draw });
    const { noise, initial, beside } = beginning;
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
    const predict: Predict = (x, timestep) => {
      const progress = calls > 1 ? Math.min(1, call++ / (calls - 1)) : 0;
      return guidedPrediction(
        { x, beside, shape, timestep, words, timestepCond, progress },
        settings,
        networks,
        signal,
      );
    };
    let latents = initial;
    for await (const step of walk.run(predict, initial, draw)) {
      signal?.throwIfAborted();
      estimate.done("call");
      beginning.hold(step);
      latents = step.latents;
      const x0 = float32(shape, step.x0);
      yield {
        type: "step",
        picture,
        call: step.call,
        calls: Math.max(calls, step.call + 1),
        timestep: step.timestep,
        sigma: step.sigma,
        latents: float32(shape, step.latents.slice()),
        prediction: float32(shape, step.prediction),
        x0,
        preview: tools.previewFactors && previewOf(x0, tools.previewFactors),
        secondsLeft: estimate.secondsLeft,
      };
    }

    yield { type: "decode", picture, secondsLeft: estimate.secondsLeft };
    const decoded = await networks.decode(float32(shape, latents), { tiled: settings.tiling, signal });
    signal?.throwIfAborted();
    estimate.done("decode");
    const pixels = await toPixels(decoded);
    if (tools.init) layOver(tools.init, pixels);
    const image = await pictureFromPixels(pixels);
    const seconds = (performance.now() - start) / 1000;
    yield { type: "image", picture, image, pixels, settings: { ...settings, seed, count: 1 }, seconds };
  }
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

/** The embedding of the empty (or negative) prompt is needed where guidance compares with it at some step. */
function needsUncond({ guidance }: ResolvedSettings, distilledWithGuidance: boolean): boolean {
  return guidance !== 1 && !distilledWithGuidance;
}

async function* encodePrompt(
  settings: ResolvedSettings,
  { tokenizer, networks, signal }: DrawingTools,
  withUncond: boolean,
): AsyncGenerator<GenerateEvent, Words, void> {
  const rows = [settings.prompt, ...(withUncond ? [settings.negativePrompt] : [])].map((text) => tokenizer.row(text));
  const ids = rows.map((row) => int64([1, row.ids.length], row.ids));
  const dropped = rows
    .map((row) => row.dropped)
    .join(" ")
    .trim();
  yield { type: "tokens", cond: ids[0]!, uncond: ids[1], dropped };
  const skip = (settings.clipSkip ?? 1) - 1;
  const embeddings = rowsOf(
    await networks.encodeText(
      int64(
        [ids.length, ids[0]!.data.length],
        rows.flatMap((row) => row.ids),
      ),
      skip,
      signal,
    ),
  );
  const words: Words = { cond: embeddings[0]!, uncond: embeddings[1] };
  yield { type: "embeddings", ...words };
  return words;
}

interface Look {
  readonly x: Float32Array;
  /** Further channels of the network's input. */
  readonly beside?: Float32Array;
  readonly shape: readonly number[];
  readonly timestep: number;
  readonly words: Words;
  readonly timestepCond?: Float32Array;
  /** How much of the walk lies behind, 0–1. */
  readonly progress: number;
}

/**
 * The network's prediction under classifier-free guidance. Both halves go through it as one batch, the unconditional
 * first; at scale 1, and outside the guidance interval, the prompt goes alone.
 */
async function guidedPrediction(
  look: Look,
  settings: ResolvedSettings,
  networks: Networks,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { x, beside = new Float32Array(0), shape, timestep, words, timestepCond, progress } = look;
  const [, , height, width] = shape as [number, number, number, number];
  const input = joined(Float32Array, x, beside);
  const ask = (batch: number, context: Tensor<"float32">) => {
    const sample = float32([batch, input.length / (height * width), height, width], repeated(input, batch));
    return networks.predict({ sample, timestep, words: context, timestepCond }, signal);
  };
  if (!words.uncond || !guidanceApplies(progress, settings.guidanceInterval)) return ask(1, words.cond);
  // Nothing of the prompt is left at 0; the formula says so too, with twice the work.
  if (settings.guidance === 0 && settings.guidanceRescale === 0) return ask(1, words.uncond);
  const both = await ask(2, stacked(words.uncond, words.cond));
  const [uncond, cond] = [both.subarray(0, x.length), both.subarray(x.length)];
  const guided = guide(uncond, cond, settings.guidance);
  return settings.guidanceRescale > 0 ? rescaleGuidance(guided, cond, settings.guidanceRescale) : guided;
}

/** The pictures (or texts) of a batch, each as a batch of one. */
function rowsOf(batch: Tensor<"float32">): Tensor<"float32">[] {
  const shape = [1, ...batch.shape.slice(1)];
  const size = sizeOf(shape);
  return Array.from({ length: batch.shape[0]! }, (_, i) => float32(shape, batch.data.slice(i * size, (i + 1) * size)));
}

function repeated(x: Float32Array, count: number): Float32Array {
  if (count === 1) return x;
  const out = new Float32Array(x.length * count);
  for (let i = 0; i < count; i++) out.set(x, i * x.length);
  return out;
}

function stacked(a: Tensor<"float32">, b: Tensor<"float32">): Tensor<"float32"> {
  return float32([2, ...a.shape.slice(1)], joined(Float32Array, a.data, b.data));
}
