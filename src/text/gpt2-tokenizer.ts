import { type BpeFiles, createBpe } from "./bpe.ts";
import { textOf } from "./bytes.ts";
import { cutter } from "./special-tokens.ts";

export interface Gpt2Tokenizer {
  /** Ends a text, and stands for padding and the unknown too. */
  readonly eosId: number;
  readonly vocabSize: number;
  /** The ids of a text, nothing added. */
  encode(text: string): number[];
  /** The text of ids, exactly as it was encoded. */
  decode(ids: readonly number[]): string;
  /** The token of an id as the vocabulary writes it; a RangeError when there is none. */
  token(id: number): string;
}

export interface Gpt2TokenizerOptions extends BpeFiles {
  /** `<|endoftext|>` by default. */
  eosToken?: string;
}

/** A word takes the space before it along; white space keeps its last space for the word that follows. */
const WORDS =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/**
 * GPT-2's tokenizer (Radford et al. 2019) with the ids that transformers' GPT2Tokenizer gives; MagicPrompt uses it too.
 *
 * @throws InputError when the merges are malformed or the end token is missing from the vocabulary
 */
export function createGpt2Tokenizer(options: Gpt2TokenizerOptions): Gpt2Tokenizer {
  const { merges, vocab, eosToken = "<|endoftext|>" } = options;
  const bpe = createBpe({ merges, vocab, endOfWord: "", specialTokens: [eosToken], unknownToken: eosToken });
  const eosId = bpe.id(eosToken);
  const cut = cutter([eosToken]);
  const encode = (text: string): number[] => {
    const ids: number[] = [];
    for (const [i, piece] of cut(text).entries()) {
      if (i % 2 === 1) ids.push(eosId);
      else for (const [word] of piece.matchAll(WORDS)) for (const id of bpe.encode(word)) ids.push(id);
    }
    return ids;
  };
  const decode = (ids: readonly number[]): string => textOf(ids.map(bpe.token));
  return { eosId, vocabSize: bpe.vocabSize, encode, decode, token: bpe.token };
}
