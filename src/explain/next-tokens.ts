import type { LanguageModel } from "../pipelines/language-model.ts";

export interface NextTokens {
  /** The likeliest ones, as they would be written: a space in front begins a word. */
  readonly tokens: readonly string[];
  /** Before any temperature, of these tokens first, then of all others: temperature T makes softmax(logits / T) of them. */
  readonly logits: Float32Array;
}

/**
 * What GPT-2 would write next (Radford et al. 2019).
 *
 * @param count how many tokens to name
 */
export async function nextTokens(
  text: string,
  count: number,
  { read, tokenizer, config }: Pick<LanguageModel, "read" | "tokenizer" | "config">,
  signal?: AbortSignal,
): Promise<NextTokens> {
  // Nothing is told by the token that ends the text before.
  const ids = text === "" ? [tokenizer.eosId] : tokenizer.encode(text);
  const reader = read({ signal });
  try {
    const logits = await reader.readOn([ids.slice(-config.n_positions)]);
    const order = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!);
    return {
      tokens: order.slice(0, count).map((id) => tokenizer.decode([id])),
      logits: Float32Array.from(order, (id) => logits[id]!),
    };
  } finally {
    reader.close();
  }
}
