import { mkdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Bytes, saveBytes } from "../image/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import {
  encodeSafetensors,
  type JsonObject,
  readTensor,
  readWeight,
  type TokenizerFiles,
  type WeightStore,
} from "../weights/index.ts";
import { json } from "./checkpoint.ts";
import type { ParameterShapes } from "./initial-weights.ts";

/** Learnt values by their names, and their shapes. */
export interface Learnt {
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly shapes: ParameterShapes;
}

/** A file by its path below the model's folder. */
export type ModelFile = readonly [path: string, content: Bytes];

/**
 * Writes the files of a model, each whole or not at all, in the place of those that are there.
 *
 * @throws InputError naming the file that cannot be written
 */
export async function writeModelFiles(
  folder: string,
  files: Iterable<ModelFile> | AsyncIterable<ModelFile>,
): Promise<void> {
  for await (const [name, content] of files) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await saveBytes(path, content, { overwrite: true });
  }
}

export async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** The learnt values whose names begin with `prefix`, without it, as a .safetensors file. */
export function safetensorsOf({ weights, shapes }: Learnt, prefix = ""): Bytes {
  const tensors: Record<string, Tensor> = {};
  for (const [name, data] of weights) {
    if (name.startsWith(prefix)) tensors[name.slice(prefix.length)] = float32(shapes.get(name)!, data);
  }
  return encodeSafetensors(tensors);
}

/** config.json of a network that is computed with in float32 from now on, whatever its weights were stored as before. */
export function learntConfig(config: JsonObject): JsonObject {
  const { torch_dtype: old, dtype, ...rest } = config;
  return old === undefined && dtype === undefined ? rest : { ...rest, dtype: "float32" };
}

/** Keys whose numbers transformers wants as floats: it refuses a 1 that stands for 1.0. */
const FLOATS = /("(?:initializer_factor|initializer_range|layer_norm_eps|layer_norm_epsilon)": -?\d+)(?=,?$)/gm;

/** A network's config.json as JSON that Python reads as it was meant. */
export function configJson(config: object): Uint8Array {
  const text = new TextDecoder().decode(json(config));
  return new TextEncoder().encode(text.replace(FLOATS, "$1.0"));
}

/**
 * Weights that did not learn, as a .safetensors file: in the type in which they are stored, but those in 8 bits multiplied out, since
 * other programs know nothing of the factors beside them.
 */
export async function unlearnt(store: WeightStore): Promise<Bytes> {
  const tensors: Record<string, Tensor> = {};
  const scales = new Set([...store.names()].map((name) => `${name}.scale`));
  for (const name of store.names()) {
    if (scales.has(name)) continue;
    const stored = store.get(name)!;
    const inBits = store.get(`${name}.scale`) !== undefined;
    tensors[name] = inBits ? float32(stored.shape, await readWeight(store, name)) : await readTensor(stored);
  }
  return encodeSafetensors(tensors);
}

/** A vocabulary, as far as it can be asked. */
interface Vocabulary {
  readonly vocabSize: number;
  token(id: number): string;
}

/** A tokenizer's files below `folder` ("tokenizer/", or "" for the model's own). */
export function* tokenizerFiles(
  folder: string,
  { merges, vocab, tokenizerConfig, specialTokensMap }: TokenizerFiles,
  words: Vocabulary,
  tokenizerClass: "CLIPTokenizer" | "GPT2Tokenizer",
): Generator<ModelFile> {
  const known: JsonObject =
    vocab ?? Object.fromEntries(Array.from({ length: words.vocabSize }, (_, id) => [words.token(id), id]));
  yield [`${folder}vocab.json`, json(known)];
  yield [`${folder}merges.txt`, new TextEncoder().encode(merges)];
  yield [`${folder}tokenizer_config.json`, json({ tokenizer_class: tokenizerClass, ...tokenizerConfig })];
  if (specialTokensMap) yield [`${folder}special_tokens_map.json`, json(specialTokensMap)];
}
