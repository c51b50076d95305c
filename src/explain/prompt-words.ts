import { InputError, type Tensor } from "../tensor/index.ts";
import type { ClipTokenizer } from "../text/index.ts";

/** A word of a prompt, and where its tokens stand among all that the U-Net is told. */
export interface PromptWord {
  readonly text: string;
  readonly tokens: readonly number[];
}

type Tokens = Pick<ClipTokenizer, "bosId" | "eosId" | "vocabSize" | "token" | "decode">;

/** What a word is called whose vectors were learnt beyond the vocabulary: its ids tell no name. */
export const LEARNT = "‹learnt›";

/** The words in rows of ids [rows, T] as the tokenizer cuts them; start, end and padding are none. */
export function promptWords({ shape, data }: Tensor<"int64">, tokenizer: Tokens): PromptWord[] {
  const [rows, length] = shape as [number, number];
  const words: PromptWord[] = [];
  for (let row = 0; row < rows; row++) {
    let begun: number[] = [];
    for (let place = row * length; place < (row + 1) * length; place++) {
      const id = Number(data[place]);
      if (id === tokenizer.bosId) continue;
      if (id === tokenizer.eosId) break;
      begun.push(place);
      // A learnt word has ids behind each other, one a vector.
      const isLearnt = id >= tokenizer.vocabSize;
      const ends = isLearnt ? Number(data[place + 1]) !== id + 1 : tokenizer.token(id).endsWith("</w>");
      if (!ends) continue;
      words.push(wordOf(begun, data, tokenizer));
      begun = [];
    }
    if (begun.length > 0) words.push(wordOf(begun, data, tokenizer));
  }
  return words;
}

function wordOf(tokens: readonly number[], data: BigInt64Array, { decode, vocabSize }: Tokens): PromptWord {
  const ids = tokens.map((place) => Number(data[place]));
  return { text: ids.some((id) => id >= vocabSize) ? LEARNT : decode(ids), tokens };
}

/**
 * The first place where a word, or several behind each other, stand in a prompt.
 *
 * @throws InputError where they do not, with the words that do
 */
export function findWords(wanted: string, words: readonly PromptWord[]): PromptWord {
  const parts = wanted.toLowerCase().trim().split(/\s+/);
  const at = words.findIndex((_, i) => parts.every((part, k) => words[i + k]?.text === part));
  if (at < 0 || parts[0] === "") {
    const there = words.map(({ text }) => text).join(" ");
    throw new InputError(`"${wanted}" is not in the prompt. Its words are: ${there || "none"}.`);
  }
  const found = words.slice(at, at + parts.length);
  return { text: found.map(({ text }) => text).join(" "), tokens: found.flatMap(({ tokens }) => tokens) };
}
