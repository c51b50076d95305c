import { basename } from "node:path";
import { clipTextConfig } from "../models/index.ts";
import { float32, InputError, joined, type Tensor } from "../tensor/index.ts";
import { type ClipTokenizer, withPseudoWords } from "../text/index.ts";
import { openPseudoWord, type StoredPseudoWord } from "../weights/index.ts";
import type { TokensEvent } from "./events.ts";
import type { ModelFacts } from "./resolve.ts";
import type { EmbeddingSetting, ResolvedSettings } from "./settings.ts";

/** Learnt words on their way into a picture. */
export interface PseudoWords {
  /** Gives each of them ids beyond the vocabulary. */
  readonly tokenizer: ClipTokenizer;
  /** What these ids mean, [N, C]; undefined where there are none. */
  readonly vectors: Tensor<"float32"> | undefined;
  /** Those that stand in texts, for the infotext; undefined where none does. */
  usedIn(texts: TokensEvent["texts"]): ResolvedSettings["embeddings"];
}

/**
 * Opens the embeddings of the settings.
 *
 * @throws InputError for a file that is missing, no embedding, or made for another model; for two of one name
 */
export async function openPseudoWords(
  asked: readonly EmbeddingSetting[],
  { name: model, checkpoint: { textEncoder } }: Pick<ModelFacts, "name" | "checkpoint">,
  tokenizer: ClipTokenizer,
  onNote: (line: string) => void,
): Promise<PseudoWords> {
  const { hidden_size: width, vocab_size: vocabSize } = clipTextConfig(textEncoder.config, textEncoder.configFile);
  const limits = { model, width, most: tokenizer.maxLength - 2 };
  const words: (StoredPseudoWord & { readonly first: bigint })[] = [];
  const files = new Map<string, string>();
  let next = vocabSize;
  for (const { file, name } of asked) {
    const word = await openPseudoWord(file, name, limits);
    const key = word.name.toLowerCase();
    const other = files.get(key);
    if (other !== undefined) {
      throw new InputError(
        `${other} and ${file} are both called "${word.name}": give one of them another name (name=${basename(file)}).`,
      );
    }
    files.set(key, file);
    // Nobody sees from outside what such a file calls its word.
    if (name === undefined && word.name !== basename(file, ".safetensors")) {
      onNote(`In prompts, ${basename(file)} is called ${word.name}.`);
    }
    words.push({ ...word, first: BigInt(next) });
    next += word.vectors.shape[0]!;
  }
  const named = words.map(({ name, vectors }) => ({ name, vectors: vectors.shape[0]! }));
  const data = joined(Float32Array, ...words.map(({ vectors }) => vectors.data));
  return {
    tokenizer: withPseudoWords(tokenizer, named, vocabSize),
    vectors: words.length > 0 ? float32([next - vocabSize, width], data) : undefined,
    usedIn(texts) {
      const used = words.filter(({ first }) => texts.some(({ ids }) => ids.data.includes(first)));
      return used.length > 0 ? used.map(({ name, hash }) => ({ name, hash })) : undefined;
    },
  };
}
