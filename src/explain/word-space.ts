import type { OpenModel } from "../pipelines/inkling.ts";
import { InputError, int64 } from "../tensor/index.ts";
import { readWeight } from "../weights/index.ts";

type Model = Pick<OpenModel, "facts" | "networks" | "tokenizer">;

export interface Neighbour {
  readonly text: string;
  /** Of the two rows of the table, −1 to 1. */
  readonly cosine: number;
}

export interface TokenInSpace {
  readonly id: number;
  /** As the vocabulary writes it, "eyes</w>"; a word may be several. */
  readonly token: string;
  /** The words whose rows of the embedding table point in the most similar directions, the nearest first. */
  readonly nearest: readonly Neighbour[];
}

const TABLE = "text_model.embeddings.token_embedding.weight";

/**
 * The tokens of a text and the words nearest to each in the table that the text encoder begins with, before it has seen
 * them beside each other.
 *
 * @param count how many words for each token
 */
export async function tokensInSpace(text: string, count: number, { facts, tokenizer }: Model): Promise<TokenInSpace[]> {
  const table = await readWeight(facts.checkpoint.textEncoder.weights, TABLE);
  const width = table.length / tokenizer.vocabSize;
  if (!Number.isInteger(width)) {
    throw new InputError(`The table of words has ${table.length} numbers for ${tokenizer.vocabSize} tokens.`);
  }
  const row = (id: number): Float32Array => table.subarray(id * width, (id + 1) * width);
  const lengths = Float32Array.from({ length: tokenizer.vocabSize }, (_, id) => Math.sqrt(dot(row(id), row(id))));
  // Of the vocabulary's own spelling, letters may stand for bytes.
  const isWord = (id: number): boolean =>
    tokenizer.token(id).endsWith("</w>") && /^\p{L}+$/u.test(tokenizer.decode([id]));
  const words = Array.from(lengths.keys()).filter(isWord);
  const ids = tokenizer.encode(text).filter((id) => id !== tokenizer.bosId && id !== tokenizer.eosId);
  return ids.map((id) => {
    const cosines = words.map((word) => dot(row(id), row(word)) / (lengths[id]! * lengths[word]!));
    const order = Array.from(words.keys())
      .filter((i) => words[i] !== id)
      .sort((a, b) => cosines[b]! - cosines[a]!);
    const nearest = order.slice(0, count).map((i) => ({
      text: tokenizer.decode([words[i]!]),
      cosine: cosines[i]!,
    }));
    return { id, token: tokenizer.token(id), nearest };
  });
}

export interface Likeness {
  /** Of what the encoder makes of the two ends, where each text is summed up: −1 to 1. */
  readonly cosine: number;
  /** Of every token of the first text (a row) with every one of the second, after all have seen each other. */
  readonly matrix: readonly (readonly number[])[];
  /** Start and end left out; as the vocabulary writes them. */
  readonly tokens: readonly [readonly string[], readonly string[]];
}

/** How alike two texts are to the text encoder. What does not fit into a row of tokens is left out. */
export async function likeness(
  texts: readonly [string, string],
  { networks, tokenizer }: Model,
  signal?: AbortSignal,
): Promise<Likeness> {
  const rows = texts.map((text) => tokenizer.row(text).ids);
  const { maxLength } = tokenizer;
  const { data, shape } = await networks.encodeText(int64([2, maxLength], rows.flat()), 0, signal);
  const width = shape[2]!;
  const vector = (text: number, place: number): Float32Array => {
    const at = (text * maxLength + place) * width;
    return data.subarray(at, at + width);
  };
  const ends = rows.map((ids) => ids.indexOf(tokenizer.eosId));
  const places = ends.map((end) => Array.from({ length: end - 1 }, (_, i) => i + 1));
  return {
    cosine: cosine(vector(0, ends[0]!), vector(1, ends[1]!)),
    matrix: places[0]!.map((a) => places[1]!.map((b) => cosine(vector(0, a), vector(1, b)))),
    tokens: [
      places[0]!.map((place) => tokenizer.token(rows[0]![place]!)),
      places[1]!.map((place) => tokenizer.token(rows[1]![place]!)),
    ],
  };
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

const cosine = (a: Float32Array, b: Float32Array): number => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
