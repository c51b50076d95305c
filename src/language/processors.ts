import { InputError } from "../tensor/index.ts";

/**
 * Changes the logits [V] of the next token in place, given the ids before it. What can no longer be chosen is -∞. The
 * arithmetic is transformers', in float32.
 */
export type LogitsProcessor = (logits: Float32Array, ids: readonly number[]) => void;

/** What a person may ask of the choice of tokens. */
export interface SamplingSettings {
  /** Divides the logits: below 1 surer, above 1 more surprising. 0 takes the most probable token (greedy). Default 1. */
  readonly temperature?: number;
  /** Only the k most probable tokens; ties at the threshold all stay. 0: all. Default 0. */
  readonly topK?: number;
  /** Only the most probable tokens that together reach this probability (Holtzman et al. 2020). 1: all. Default 1. */
  readonly topP?: number;
  /** Only tokens of at least this part of the best one's probability (Nguyen et al. 2024). 0: all. Default 0. */
  readonly minP?: number;
  /** Only tokens whose surprise is near the expected one, up to this probability (Meister et al. 2022). 1: all. Default 1. */
  readonly typicalP?: number;
  /** Above 1 makes tokens that were there already less probable (Keskar et al. 2019, §4.1). Default 1. */
  readonly repetitionPenalty?: number;
  /** No run of so many tokens comes twice. 0: any may. Default 0. */
  readonly noRepeatNgram?: number;
  /** Sequences of ids that must not come. */
  readonly banned?: readonly (readonly number[])[];
  /** The text does not end before so many new tokens. Default 0. */
  readonly minNewTokens?: number;
  /** Ids that must not be the first new one. */
  readonly suppressedAtBegin?: readonly number[];
}

/** What the processors have to know of the text. */
export interface TextFacts {
  readonly eosId: number;
  /** Ids of the beginning. */
  readonly beginning: number;
}

/**
 * The processors that the settings ask for, in transformers' order: repetition, n-grams, ban list, minimum length, what is
 * suppressed at the beginning, temperature, top-k, top-p, min-p, typical.
 *
 * @throws InputError naming the setting and its range
 */
export function processorsOf(settings: SamplingSettings, { eosId, beginning }: TextFacts): LogitsProcessor[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, typicalP = 1 } = settings;
  const { repetitionPenalty = 1, noRepeatNgram = 0, banned = [], minNewTokens = 0, suppressedAtBegin = [] } = settings;
  const within = (name: string, value: number, low: number, high: number, whole = false) => {
    if (value >= low && value <= high && (!whole || Number.isInteger(value))) return;
    throw new InputError(`${name} is ${value}; it has to be a ${whole ? "whole " : ""}number from ${low} to ${high}.`);
  };
  within("temperature", temperature, 0, 100);
  within("top-k", topK, 0, Number.MAX_SAFE_INTEGER, true);
  within("top-p", topP, 0, 1);
  within("min-p", minP, 0, 1);
  within("typical-p", typicalP, 0, 1);
  within("repetition penalty", repetitionPenalty, 0.01, 100);
  within("no-repeat n-gram", noRepeatNgram, 0, 1000, true);
  within("minimum of new tokens", minNewTokens, 0, Number.MAX_SAFE_INTEGER, true);
  // Sampling below has no say where the most probable token is taken.
  const sampled = temperature > 0;
  return [
    ...(repetitionPenalty !== 1 ? [repetition(repetitionPenalty)] : []),
    ...(noRepeatNgram > 0 ? [noRepeat(noRepeatNgram)] : []),
    ...(banned.length > 0 ? [ban(banned)] : []),
    ...(minNewTokens > 0 ? [notBefore(beginning + minNewTokens, eosId)] : []),
    ...(suppressedAtBegin.length > 0 ? [notFirst(suppressedAtBegin, beginning)] : []),
    ...(sampled && temperature !== 1 ? [warm(temperature)] : []),
    ...(sampled && topK > 0 ? [keepTopK(topK)] : []),
    ...(sampled && topP < 1 ? [keepTopP(topP)] : []),
    ...(sampled && minP > 0 ? [keepMinP(minP)] : []),
    ...(sampled && typicalP < 1 ? [keepTypical(typicalP)] : []),
  ];
}

const { fround } = Math;
const NEVER = Number.NEGATIVE_INFINITY;

/** Softmax in float32 of logits [V]; -∞ gives 0. */
export function softmax(logits: Float32Array): Float32Array {
  let most = NEVER;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > most) most = logits[i]!;
  const out = new Float32Array(logits.length);
  let sum = 0;
  for (let i = 0; i < out.length; i++) {
    const x = logits[i]!;
    if (x === NEVER) continue;
    const e = Math.exp(x - most);
    out[i] = e;
    sum += e;
  }
  for (let i = 0; i < out.length; i++) out[i]! /= sum;
  return out;
}

function repetition(penalty: number): LogitsProcessor {
  return (logits, ids) => {
    for (const id of new Set(ids)) logits[id] = logits[id]! < 0 ? logits[id]! * penalty : logits[id]! / penalty;
  };
}

function noRepeat(n: number): LogitsProcessor {
  return (logits, ids) => {
    const end = ids.slice(ids.length - n + 1);
    for (let i = 0; i + n <= ids.length; i++) {
      if (end.every((id, j) => ids[i + j] === id)) logits[ids[i + n - 1]!] = NEVER;
    }
  };
}

function ban(sequences: readonly (readonly number[])[]): LogitsProcessor {
  return (logits, ids) => {
    for (const sequence of sequences) {
      const before = sequence.slice(0, -1);
      const start = ids.length - before.length;
      if (start >= 0 && before.every((id, j) => ids[start + j] === id)) logits[sequence.at(-1)!] = NEVER;
    }
  };
}

function notBefore(length: number, eosId: number): LogitsProcessor {
  return (logits, ids) => {
    if (ids.length < length) logits[eosId] = NEVER;
  };
}

function notFirst(suppressed: readonly number[], beginning: number): LogitsProcessor {
  return (logits, ids) => {
    if (ids.length === beginning) for (const id of suppressed) logits[id] = NEVER;
  };
}

function warm(temperature: number): LogitsProcessor {
  return (logits) => {
    for (let i = 0; i < logits.length; i++) logits[i]! /= temperature;
  };
}

function keepTopK(k: number): LogitsProcessor {
  return (logits) => {
    if (k >= logits.length) return;
    const threshold = nthLargest(logits, k);
    for (let i = 0; i < logits.length; i++) if (logits[i]! < threshold) logits[i] = NEVER;
  };
}

/** Removes the least probable tokens as long as they sum to no more than 1 − p: the one that crosses p stays. */
function keepTopP(p: number): LogitsProcessor {
  return (logits) => {
    const probabilities = softmax(logits);
    const order = possible(logits).sort((a, b) => logits[a]! - logits[b]!);
    let sum = 0;
    for (const i of order.slice(0, -1)) {
      sum = fround(sum + probabilities[i]!);
      if (sum > fround(1 - p)) break;
      logits[i] = NEVER;
    }
  };
}

function keepMinP(share: number): LogitsProcessor {
  return (logits) => {
    const probabilities = softmax(logits);
    const threshold = fround(share * probabilities.reduce((a, b) => Math.max(a, b)));
    for (let i = 0; i < logits.length; i++) if (probabilities[i]! < threshold) logits[i] = NEVER;
  };
}

function keepTypical(mass: number): LogitsProcessor {
  return (logits) => {
    const probabilities = softmax(logits);
    const all = possible(logits);
    const surprise = (i: number) => -Math.log(probabilities[i]!);
    const entropy = all.reduce((sum, i) => sum + (probabilities[i]! > 0 ? probabilities[i]! * surprise(i) : 0), 0);
    const distance = new Map(all.map((i) => [i, Math.abs(surprise(i) - entropy)]));
    const order = all.sort((a, b) => distance.get(a)! - distance.get(b)!);
    let sum = 0;
    for (const i of order) {
      // The first one to reach the mass stays, as does everything before it.
      if (sum >= mass) logits[i] = NEVER;
      sum = fround(sum + probabilities[i]!);
    }
  };
}

function possible(logits: Float32Array): number[] {
  const all: number[] = [];
  for (let i = 0; i < logits.length; i++) if (logits[i] !== NEVER) all.push(i);
  return all;
}

/** The k-th largest value, k from 1, through a heap of the k largest so far: one pass over a vocabulary. */
function nthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k).sort();
  const sink = (from: number) => {
    const value = heap[from]!;
    let at = from;
    for (let child = 2 * at + 1; child < k; child = 2 * at + 1) {
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  };
  for (let i = k; i < values.length; i++) {
    if (values[i]! <= heap[0]!) continue;
    heap[0] = values[i]!;
    sink(0);
  }
  return heap[0]!;
}
