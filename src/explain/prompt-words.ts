import { InputError, type Tensor } from "../tensor/index.ts";
import type { ClipTokenizer } from "../text/index.ts";

/** A word of a prompt, and where its tokens stand among all that the U-Net is told. */
export interface PromptWord {
  readonly text: string;
  readonly tokens: readonly number[];
}

type Tokens = Pick<ClipTokenizer, "bosId" | "eosId" | "token" | "decode">;

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
      if (!tokenizer.token(id).endsWith("</w>")) continue;
      words.push(wordOf(begun, data, tokenizer));
      begun = [];
    }
    if (begun.length > 0) words.push(wordOf(begun, data, tokenizer));
  }
  return words;
}

function wordOf(tokens: readonly number[], ids: BigInt64Array, { decode }: Tokens): PromptWord {
  return { text: decode(tokens.map((place) => Number(ids[place]))), tokens };
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
