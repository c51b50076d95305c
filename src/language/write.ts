import { type CpuGenerator, InputError } from "../tensor/index.ts";
import { processorsOf, type SamplingSettings, softmax } from "./processors.ts";

/**
 * A language model in the middle of B texts: is shown the next tokens of each and gives the logits [B · V] of what
 * follows. The first call gets the beginnings, which may differ in length, every further one a token a text.
 */
export type ReadOn = (tokens: readonly (readonly number[])[]) => Promise<Float32Array>;

export interface WriteOptions extends SamplingSettings {
  /** Ids of each text so far, at least one a text. */
  readonly beginnings: readonly (readonly number[])[];
  /** Tokens of a text at most, its beginning included. */
  readonly maxLength: number;
  /** Ends a text. */
  readonly eosId: number;
  /** Draws for each text; not asked at temperature 0. */
  readonly generators: readonly CpuGenerator[];
  /** How many of the likeliest tokens to tell with each choice. Default 0. */
  readonly alternatives?: number;
}

export interface Likely {
  readonly id: number;
  /** After all settings, 0–1. */
  readonly probability: number;
}

/** One token was chosen. */
export interface TokenChoice extends Likely {
  /** Which text, from 0. */
  readonly text: number;
  /** Its place in the text, the beginning's ids counted. */
  readonly position: number;
  readonly alternatives: readonly Likely[];
}

/**
 * Continues texts token by token (Radford et al. 2019): logits, processors, choice, until each has ended or is full.
 * Texts go through the model side by side, and each draws from its own generator, so that none depends on the others.
 */
export async function* writeOn(readOn: ReadOn, options: WriteOptions): AsyncGenerator<TokenChoice, void, void> {
  const { beginnings, maxLength, eosId, generators, temperature = 1, alternatives = 0 } = options;
  const texts = beginnings.map((ids) => [...ids]);
  const processors = texts.map((ids) => processorsOf(options, { eosId, beginning: ids.length }));
  const open = texts.map((ids) => ids.length < maxLength);
  let next: readonly (readonly number[])[] = beginnings;
  while (open.includes(true)) {
    const logits = await readOn(next);
    const size = logits.length / texts.length;
    const chosen: number[][] = [];
    for (const [text, ids] of texts.entries()) {
      // What has ended is shown its end again: the others are still being read.
      if (!open[text]) {
        chosen.push([eosId]);
        continue;
      }
      const row = logits.subarray(text * size, (text + 1) * size);
      for (const process of processors[text]!) process(row, ids);
      const probabilities = softmax(row);
      if (Number.isNaN(probabilities[0])) throw nothingLeft(text);
      const id = temperature === 0 ? largest(row) : generators[text]!.multinomial(probabilities)[0]!;
      chosen.push([id]);
      const position = ids.push(id) - 1;
      if (id === eosId || ids.length >= maxLength) open[text] = false;
      yield {
        text,
        position,
        id,
        probability: probabilities[id]!,
        alternatives: likeliest(probabilities, alternatives),
      };
    }
    next = chosen;
  }
}

function nothingLeft(text: number): InputError {
  return new InputError(
    `Nothing may follow in text ${text + 1}: the ban list and the other limits leave no token (or the model gave numbers that are not finite). Loosen them.`,
  );
}

function largest(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

function likeliest(probabilities: Float32Array, count: number): Likely[] {
  const left = count > 0 ? Float32Array.from(probabilities) : probabilities;
  return Array.from({ length: Math.min(count, probabilities.length) }, () => {
    const id = largest(left);
    left[id] = -1;
    return { id, probability: probabilities[id]! };
  }).filter(({ probability }) => probability > 0);
}
