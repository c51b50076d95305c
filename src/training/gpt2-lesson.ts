import { type Gpt2Config, gpt2Config } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { createGpt2Tokenizer, type Gpt2Tokenizer } from "../text/index.ts";
import type { JsonObject, NetworkConfig, TokenizerFiles, WeightStore } from "../weights/index.ts";
import { freshness, shapesOf, stored } from "./beginning.ts";
import { rowBatch, type TokenRow } from "./data/token-rows.ts";
import { gpt2Weights } from "./initial-weights.ts";
import type { Lesson } from "./lesson.ts";
import { gpt2Loss } from "./losses/gpt2.ts";
import { configJson, learntConfig, safetensorsOf, tokenizerFiles, writeModelFiles } from "./model-files.ts";

/** A GPT-2, before it learns. Without weights it begins with fresh ones. */
export interface Gpt2Parts {
  readonly gpt2: NetworkConfig & { readonly weights?: WeightStore };
  readonly tokenizer: TokenizerFiles;
}

/** The same, its configuration read. */
export interface Gpt2Model extends Gpt2Parts {
  readonly config: Gpt2Config;
  readonly words: Gpt2Tokenizer;
}

/** @throws InputError naming the file and what is wrong with it */
export function gpt2Model({ gpt2, tokenizer }: Gpt2Parts): Gpt2Model {
  const { merges, vocab } = tokenizer;
  return {
    ...{ gpt2, tokenizer },
    config: gpt2Config(gpt2.config, gpt2.configFile),
    words: createGpt2Tokenizer({ merges, vocab }),
  };
}

export interface Gpt2LessonOptions {
  /** Of a row. */
  readonly tokens: number;
  /** Fixes fresh weights. */
  readonly seed: number;
}

/**
 * A GPT-2 that learns which token comes next (Radford et al. 2019, §2).
 *
 * @throws InputError where rows are longer than the model can hold, or its weights do not fit its configuration
 */
export async function gpt2Lesson(
  { gpt2, tokenizer, config, words }: Gpt2Model,
  { tokens, seed }: Gpt2LessonOptions,
): Promise<Lesson<TokenRow>> {
  if (tokens > config.n_positions) {
    throw new InputError(
      `Rows of ${tokens} tokens: ${gpt2.configFile} has room for ${config.n_positions} ("n_positions").`,
    );
  }
  const loss = (batch: number) => gpt2Loss(config, { batch, tokens });
  const shapes = shapesOf(loss(1));
  const begin = gpt2.weights ? await stored(gpt2.weights, shapes) : gpt2Weights(shapes, config, freshness(seed));

  return {
    loss,
    initial: (name) => begin.get(name)!,
    batch: async (rows) =>
      rowBatch(
        rows.map(({ ids }) => ids),
        tokens,
        words.eosId,
      ),
    write: (folder, weights) =>
      writeModelFiles(folder, [
        ["model.safetensors", safetensorsOf({ weights, shapes })],
        ...tokenizerFiles("", tokenizer, words, "GPT2Tokenizer"),
        // Last: a folder without it is no model yet.
        ["config.json", configJson(gpt2Json(learntConfig(gpt2.config)))],
      ]),
    async close() {},
  };
}

/** config.json as transformers knows the class by it. */
export function gpt2Json(config: JsonObject): JsonObject {
  return { architectures: ["GPT2LMHeadModel"], ...config, model_type: "gpt2" };
}
