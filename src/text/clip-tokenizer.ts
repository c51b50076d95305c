import { defined } from "../tensor/index.ts";
import { type BpeFiles, createBpe } from "./bpe.ts";
import { textOf } from "./bytes.ts";
import { CLIP_DEFAULTS, cutter, groupTokens, type TokenizerConfig } from "./special-tokens.ts";

/** A prompt as one row of the text encoder's input. */
export interface TokenRow {
  /** Exactly `maxLength` ids: start, text, end, padding. */
  ids: number[];
  /** 1 for start, text and end, 0 for padding. */
  mask: number[];
  /** The text that did not fit, empty if all did. */
  dropped: string;
}

export interface ClipTokenizer {
  readonly bosId: number;
  readonly eosId: number;
  readonly padId: number;
  readonly vocabSize: number;
  /** Ids in a row, 77 in every published model. */
  readonly maxLength: number;
  /** The ids of a text with start and end, neither cut nor padded. */
  encode(text: string): number[];
  /** The ids of a text cut or padded on the right to `maxLength`. */
  row(text: string): TokenRow;
  /** The text of ids, a space after every word; special tokens are left out unless `keepSpecial`. */
  decode(ids: readonly number[], options?: { keepSpecial?: boolean }): string;
  /** The token of an id as the vocabulary writes it; a RangeError when there is none. */
  token(id: number): string;
  /** How many ids from this one on stand for one word of several vectors and stay in one row; 1 for all others. */
  span(id: number): number;
}

export interface ClipTokenizerOptions extends BpeFiles, Partial<TokenizerConfig> {}

/**
 * The pattern of words: contractions, runs of letters, single digits, runs of anything else but white space. It is
 * spelled with White_Space because JavaScript's `\s` counts U+FEFF in and U+0085 out.
 */
const WORDS = /<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\p{White_Space}\p{L}\p{N}]+/gu;
/** The two names in that pattern stay words of their own there, but are spelled in three parts. */
const NAMES = new Map(["startoftext", "endoftext"].map((name) => [`<|${name}|>`, ["<|", name, "|>"]]));

/**
 * CLIP's tokenizer (Radford et al. 2021) with the ids that transformers' CLIPTokenizer gives: NFC, lower case, words,
 * bytes, merges. Special tokens in the text become their ids; Stable Diffusion 2 pads with `!`, which makes it one.
 *
 * @throws InputError when the merges are malformed or a special token is missing from the vocabulary
 */
export function createClipTokenizer(options: ClipTokenizerOptions): ClipTokenizer {
  const { bosToken, eosToken, unkToken, padToken, addedTokens, maxLength } = {
    ...CLIP_DEFAULTS,
    ...defined(options),
  };
  const bpe = createBpe({
    merges: options.merges,
    vocab: options.vocab,
    endOfWord: "</w>",
    specialTokens: [bosToken.content, eosToken.content],
    unknownToken: unkToken.content,
  });
  const bosId = bpe.id(bosToken.content);
  const eosId = bpe.id(eosToken.content);
  const padId = bpe.id(padToken.content);
  const special = new Set([bosId, eosId, bpe.id(unkToken.content), padId]);

  const found = groupTokens([bosToken, eosToken, unkToken, padToken, ...addedTokens]);
  const cutRaw = cutter(found.raw);
  const cutNormalized = cutter(found.normalized.map(normalize));
  const namesNormalized = new Map(found.normalized.map((name) => [normalize(name), bpe.id(name)]));

  const encodeWords = (text: string, ids: number[]): void => {
    for (const [word] of text.matchAll(WORDS)) {
      for (const part of NAMES.get(word) ?? [word]) for (const id of bpe.encode(part)) ids.push(id);
    }
  };
  const encode = (text: string): number[] => {
    const ids = [bosId];
    for (const [i, piece] of cutRaw(text).entries()) {
      if (i % 2 === 1) ids.push(bpe.id(piece));
      else {
        for (const [j, part] of cutNormalized(normalize(piece)).entries()) {
          if (j % 2 === 1) ids.push(namesNormalized.get(part)!);
          else encodeWords(part, ids);
        }
      }
    }
    ids.push(eosId);
    return ids;
  };
  const decode: ClipTokenizer["decode"] = (ids, { keepSpecial = false } = {}) => {
    const kept = keepSpecial ? ids : ids.filter((id) => !special.has(id));
    return strip(textOf(kept.map(bpe.token)).replaceAll("</w>", " "));
  };
  const { vocabSize, token } = bpe;
  const tokenizer = { bosId, eosId, padId, vocabSize, maxLength, encode, decode, token, span: () => 1 };
  return { ...tokenizer, row: (text) => rowOf(tokenizer, text) };
}

/** A text cut or padded to one row. */
export function rowOf({ maxLength, eosId, padId, encode, decode }: Omit<ClipTokenizer, "row">, text: string): TokenRow {
  const all = encode(text);
  const fits = all.length <= maxLength;
  const used = fits ? all : [...all.slice(0, maxLength - 1), eosId];
  return {
    ids: Array.from({ length: maxLength }, (_, i) => used[i] ?? padId),
    mask: Array.from({ length: maxLength }, (_, i) => (i < used.length ? 1 : 0)),
    dropped: fits ? "" : decode(all.slice(maxLength - 1, -1), { keepSpecial: true }),
  };
}

/**
 * NFC, then lower case letter by letter: JavaScript would write Σ as ς at the end of a word, the reference never does.
 * The reference also makes every white space one space; the words are the same without.
 */
function normalize(text: string): string {
  return text.normalize("NFC").replaceAll("Σ", "σ").toLowerCase();
}

/** Without white space at the ends, as Python's `str.strip` counts it: U+001C to U+001F and U+0085 in, U+FEFF out. */
function strip(text: string): string {
  const isSpace = (c: string) => /\p{White_Space}/u.test(c) || (c >= "\u001c" && c <= "\u001f");
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text[start]!)) start++;
  while (start < end && isSpace(text[end - 1]!)) end--;
  return text.slice(start, end);
}
