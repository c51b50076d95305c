import { type ClipConfig, type ClipImageConfig, clipConfig, clipImageConfig } from "../configs/index.ts";
import { preprocess } from "../image/index.ts";
import { textEnds } from "../models/index.ts";
import { InputError, int64 } from "../tensor/index.ts";
import type { ClipTokenizer } from "../text/index.ts";
import type { JsonObject, NetworkConfig, TokenizerFiles, WeightStore } from "../weights/index.ts";
import { freshness, shapesOf, stored } from "./beginning.ts";
import { json } from "./checkpoint.ts";
import { clipWeights } from "./initial-weights.ts";
import type { Lesson } from "./lesson.ts";
import { clipLoss } from "./losses/clip.ts";
import { configJson, learntConfig, safetensorsOf, tokenizerFiles, writeModelFiles } from "./model-files.ts";
import { wordsOf } from "./words.ts";

/** A whole CLIP, before it learns. Without weights it begins with fresh ones. */
export interface ClipParts {
  readonly clip: NetworkConfig & { readonly weights?: WeightStore };
  /** preprocessor_config.json. Default: CLIP's own, at the size that the vision tower sees. */
  readonly image?: JsonObject;
  readonly tokenizer: TokenizerFiles;
}

/** The same, its configurations read. */
export interface ClipModel extends Required<ClipParts> {
  readonly config: ClipConfig;
  readonly preparing: ClipImageConfig;
  readonly words: ClipTokenizer;
}

/** @throws InputError naming the file and what is wrong with it */
export function clipModel({ clip, image: given, tokenizer }: ClipParts): ClipModel {
  const config = clipConfig(clip.config, clip.configFile);
  const { image_size: side } = config.vision;
  const own = { size: { shortest_edge: side }, crop_size: { height: side, width: side } };
  const image = given ?? { image_processor_type: "CLIPImageProcessor", ...own };
  return { clip, image, tokenizer, config, preparing: clipImageConfig(image, side), words: wordsOf(tokenizer) };
}

export interface ClipLessonOptions {
  /** Pairs that are told apart at once. */
  readonly batch: number;
  /** Fixes fresh weights. */
  readonly seed: number;
}

/**
 * A CLIP that learns which picture of a batch belongs to which text (Radford et al. 2021, §2.3).
 *
 * @throws InputError where its weights do not fit its configuration, or there is nothing to tell apart
 */
export async function clipLesson(model: ClipModel, { batch, seed }: ClipLessonOptions): Promise<Lesson> {
  if (batch < 2) throw new InputError("In a batch of 1 there is nothing to tell apart: CLIP learns from 2 or more.");
  const { clip, image, tokenizer, config, preparing, words } = model;
  const loss = (pairs: number) => clipLoss(config, { batch: pairs, tokens: words.maxLength });
  const shapes = shapesOf(loss(batch));
  const begin = clip.weights ? await stored(clip.weights, shapes) : clipWeights(shapes, config, freshness(seed));

  return {
    contrasts: true,
    loss,
    initial: (name) => begin.get(name)!,
    async batch(examples) {
      const rows = examples.flatMap(({ caption }) => words.row(caption).ids);
      const ids = int64([examples.length, words.maxLength], rows);
      const pictures = examples.map(({ picture }) => picture);
      return { pixels: await preprocess(pictures, preparing), ids, ends: textEnds(ids, config.eos) };
    },
    write: (folder, learnt) =>
      writeModelFiles(folder, [
        ["model.safetensors", safetensorsOf({ weights: learnt, shapes })],
        ["preprocessor_config.json", json(image)],
        ...tokenizerFiles("", tokenizer, words, "CLIPTokenizer"),
        // Last: a folder without it is no model yet.
        ["config.json", configJson({ architectures: ["CLIPModel"], ...learntConfig(clip.config), model_type: "clip" })],
      ]),
    async close() {},
  };
}
