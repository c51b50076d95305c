import { float32, InputError, int64, type Tensor } from "../../tensor/index.ts";
import type { Gpt2Tokenizer } from "../../text/index.ts";
import { likely } from "./chance.ts";
import { isSkipped, type Places } from "./dataset.ts";
import type { Text } from "./texts.ts";

/** Tokens to learn from. */
export interface TokenRow {
  readonly key: string;
  readonly ids: readonly number[];
}

/**
 * A text between the tokens that end a text: it begins as a text does that begins with nothing, and it ends. What is longer than
 * `tokens` is cut.
 */
export function tokensOf(text: string, { encode, eosId }: Gpt2Tokenizer, tokens: number): number[] {
  return [eosId, ...encode(text), eosId].slice(0, tokens);
}

/**
 * Each text a row of its own, of at most `tokens` tokens. Half of the time the token before it is left out, as it is where a writer
 * goes on from a beginning that it was given.
 */
export function textRows(texts: Places<Text>, tokenizer: Gpt2Tokenizer, tokens: number): Places<TokenRow> {
  return {
    name: texts.name,
    length: texts.length,
    async at(index, visit) {
      const text = await texts.at(index, visit);
      if (isSkipped(text)) return text;
      const ids = tokensOf(text.text, tokenizer, tokens + 1);
      const given = visit?.chance !== undefined && likely(visit.chance, 0.5) && ids.length > 2;
      return { key: text.key, ids: given ? ids.slice(1) : ids.slice(0, tokens) };
    },
  };
}

/**
 * All texts in one row after another, the token that ends a text between them, cut into rows of `tokens` tokens: nothing is padded,
 * and nothing is cut off.
 *
 * @throws InputError where there is no text that can be used
 */
export async function packedRows(
  texts: Places<Text>,
  { encode, eosId }: Gpt2Tokenizer,
  tokens: number,
  signal?: AbortSignal,
): Promise<Places<TokenRow>> {
  const stream = [eosId];
  for (let i = 0; i < texts.length; i++) {
    signal?.throwIfAborted();
    const text = await texts.at(i, { signal });
    if (isSkipped(text)) continue;
    for (const id of encode(text.text)) stream.push(id);
    stream.push(eosId);
  }
  if (stream.length === 1) throw new InputError(`Nothing in ${texts.name} can be used.`);
  return {
    name: texts.name,
    // Of a rest of one token nothing can be told.
    length: Math.ceil((stream.length - 1) / tokens),
    at: async (index) => ({ key: `row ${index + 1}`, ids: stream.slice(index * tokens, (index + 1) * tokens) }),
  };
}

/**
 * Rows as a loss wants them: "ids" [B, T], padded behind with `pad`, and "weights" [B, T − 1, 1] of the surprise at each token but the
 * first, so that their mean is that over all that is no padding.
 */
export function rowBatch(
  rows: readonly (readonly number[])[],
  tokens: number,
  pad: number,
): { readonly ids: Tensor<"int64">; readonly weights: Tensor<"float32"> } {
  const told = rows.reduce((sum, ids) => sum + ids.length - 1, 0);
  const share = (rows.length * (tokens - 1)) / told;
  const ids = rows.flatMap((row) => Array.from({ length: tokens }, (_, t) => row[t] ?? pad));
  const weights = rows.flatMap((row) => Array.from({ length: tokens - 1 }, (_, t) => (t + 1 < row.length ? share : 0)));
  return { ids: int64([rows.length, tokens], ids), weights: float32([rows.length, tokens - 1, 1], weights) };
}
