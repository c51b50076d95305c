import { join } from "node:path";
import { type ClipCapConfig, clipCapConfig } from "../configs/index.ts";
import { type Weight, weightsOf } from "../graph/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { InputError } from "../tensor/index.ts";
import { checkWeights, type WeightStore } from "../weights/index.ts";
import { below, freshness, shapesOf, stored, under } from "./beginning.ts";
import type { ClipModel } from "./clip-lesson.ts";
import type { TensorCache } from "./data/cache.ts";
import { rowBatch, tokensOf } from "./data/token-rows.ts";
import { type Gpt2Model, gpt2Json } from "./gpt2-lesson.ts";
import { type ParameterShapes, torchWeights } from "./initial-weights.ts";
import type { Lesson } from "./lesson.ts";
import { captionerLoss } from "./losses/captioner.ts";
import { memoryCache } from "./memory-cache.ts";
import {
  configJson,
  isThere,
  learntConfig,
  safetensorsOf,
  tokenizerFiles,
  unlearnt,
  writeModelFiles,
} from "./model-files.ts";
import { openPictureEmbeddings } from "./picture-embeddings.ts";

/** A captioner, before it learns. */
export interface CaptionerParts {
  readonly gpt2: Gpt2Model & { readonly gpt2: { readonly weights: WeightStore } };
  /** The mapping network before it and the width of its hidden layer. Default: a fresh one. */
  readonly prefix?: { readonly weights: WeightStore; readonly hidden: number };
  /** What sees the pictures. */
  readonly clip: ClipModel & { readonly clip: { readonly weights: WeightStore } };
}

export interface CaptionerLessonOptions {
  /** Of a caption, its beginning and its end counted. Default 64, or what the GPT-2 has room for. */
  readonly tokens?: number;
  /** Embeddings before a caption, where the mapping network is fresh. Default 10, as Mokady et al. 2021. */
  readonly prefix?: number;
  /** Whether the GPT-2 learns along with the mapping network. */
  readonly trainGpt2: boolean;
  /** Fixes fresh weights. */
  readonly seed: number;
  /** Of what CLIP sees. Default: memory alone. */
  readonly cache?: TensorCache;
}

const TOKENS = 64;
const PREFIX = 10;

/**
 * A captioner that learns to say what CLIP sees (ClipCap, Mokady et al. 2021): a mapping network before a GPT-2, alone or together
 * with it.
 *
 * @throws InputError where the parts do not belong together, or weights do not fit their configuration
 */
export async function captionerLesson(
  { gpt2, prefix, clip }: CaptionerParts,
  runtime: Runtime,
  { trainGpt2, seed, cache, ...options }: CaptionerLessonOptions,
): Promise<Lesson> {
  const clipCap = mappingOf({ gpt2, prefix, clip }, options.prefix);
  const channels = gpt2.config.n_embd;
  const hidden = prefix?.hidden ?? Math.floor((channels * clipCap.tokens) / 2);
  const room = gpt2.config.n_positions - clipCap.tokens;
  const { tokens = Math.min(TOKENS, room) } = options;
  if (tokens > room || room < 3) {
    throw new InputError(
      `${gpt2.gpt2.configFile} has ${gpt2.config.n_positions} positions ("n_positions"): beside a prefix of ${clipCap.tokens} there is ` +
        `no room for ${tokens} tokens.`,
    );
  }
  const loss = (batch: number) => captionerLoss({ clipCap, hidden, gpt2: gpt2.config }, { batch, tokens });
  const shapes = shapesOf(loss(1));
  const { weights } = gpt2.gpt2;
  checkWeights({ weights }, below(shapes, GPT2), { partial: true });
  const begin = await beginning(prefix?.weights, trainGpt2 ? weights : undefined, shapes, seed);
  const seen = await openPictureEmbeddings(clip, clip.clip.weights, runtime, memoryCache(cache));
  const weightOf = weightsOf(weights);

  return {
    loss,
    initial: (name) => begin.get(name)!,
    frozen: (name): Weight | undefined =>
      trainGpt2 || !name.startsWith(GPT2) ? undefined : weightOf(name.slice(GPT2.length)),
    async batch(examples) {
      const rows = examples.map(({ caption }) => tokensOf(caption, gpt2.words, tokens));
      const pictures = examples.map(({ picture }) => picture);
      return { image_embeds: await seen.of(pictures), ...rowBatch(rows, tokens, gpt2.words.eosId) };
    },
    async write(folder, values) {
      const learnt = { weights: values, shapes };
      const own = trainGpt2 ? learntConfig(gpt2.gpt2.config) : gpt2.gpt2.config;
      const file = "model.safetensors";
      if (trainGpt2) await writeModelFiles(folder, [[file, safetensorsOf(learnt, GPT2)]]);
      else if (!(await isThere(join(folder, file)))) await writeModelFiles(folder, [[file, await unlearnt(weights)]]);
      await writeModelFiles(folder, [
        ["prefix.safetensors", safetensorsOf(learnt, MAPPING)],
        ...tokenizerFiles("", gpt2.tokenizer, gpt2.words, "GPT2Tokenizer"),
        // Last: a folder without it is no model yet.
        ["config.json", configJson({ ...gpt2Json(own), inkling_prefix: clipCap })],
      ]);
    },
    close: () => seen.close(),
  };
}

/** Where the weights of both networks stand. */
const [MAPPING, GPT2] = ["prefix.", "gpt2."];

/** What the mapping network is: as the captioner's config.json says, or a fresh one. */
function mappingOf({ gpt2, prefix, clip }: CaptionerParts, tokens = PREFIX): ClipCapConfig {
  const { projection } = clip.config;
  // The values of a unit vector come to about 1 by it.
  if (!prefix) return { tokens, embedding_scale: Math.sqrt(projection), clip_dim: projection };
  const known = clipCapConfig(gpt2.gpt2.config, gpt2.gpt2.configFile);
  if (known.clip_dim === projection) return known;
  throw new InputError(
    `${gpt2.gpt2.configFile} wants embeddings of ${known.clip_dim} numbers, and ${clip.clip.configFile} gives ${projection}: name the ` +
      "CLIP that it was trained with.",
  );
}

/** What every parameter that learns starts from. */
async function beginning(
  mapping: WeightStore | undefined,
  gpt2: WeightStore | undefined,
  shapes: ParameterShapes,
  seed: number,
): Promise<Map<string, Float32Array>> {
  const own = below(shapes, MAPPING);
  const first = mapping ? await stored(mapping, own) : torchWeights(own, freshness(seed));
  const second = gpt2 ? await stored(gpt2, below(shapes, GPT2)) : new Map<string, Float32Array>();
  return new Map([...under(MAPPING, first), ...under(GPT2, second)]);
}
