import { InputError } from "../tensor/index.ts";
import { ALPHABET, SYMBOLS } from "./bytes.ts";
import { mergeSymbols } from "./merge.ts";

/** What a byte-pair encoding is built from: the contents of merges.txt and, where there is one, of vocab.json. */
export interface BpeFiles {
  /** One merge a line, two symbols with a space between, best first; a `#version` line may stand on top. */
  merges: string;
  /** Token → id. Without it the ids follow from the merges, as CLIP and GPT-2 number them. */
  vocab?: Readonly<Record<string, number>>;
}

export interface BpeOptions extends BpeFiles {
  /** What marks the last symbol of a word: `</w>` in CLIP, nothing in GPT-2. */
  endOfWord: string;
  /** The tokens that no merge makes, by id: they close a vocabulary that follows from the merges. */
  specialTokens: readonly string[];
  /** Stands for a symbol that the vocabulary lacks. */
  unknownToken: string;
}

/** A byte-level byte-pair encoding (Sennrich et al. 2016, over bytes as in Radford et al. 2019). */
export interface Bpe {
  readonly vocabSize: number;
  /** The id of a token; an InputError when the vocabulary lacks it. */
  id(token: string): number;
  /** The token of an id; a RangeError when there is none. */
  token(id: number): string;
  /** The ids of one word. The array is remembered: do not change it. */
  encode(word: string): readonly number[];
}

/** Words of up to this many UTF-16 units are remembered with their ids … */
const REMEMBERED_LENGTH = 64;
/** … and so many of them, after which the memory starts afresh. */
const REMEMBERED_WORDS = 16_384;

/** Builds an encoding; an InputError names the merge that is malformed or does not fit the vocabulary. */
export function createBpe(options: BpeOptions): Bpe {
  const { endOfWord } = options;
  const pairs = parseMerges(options.merges);
  const ids = options.vocab ? new Map(Object.entries(options.vocab)) : deriveVocab(pairs, options);
  const tokens: string[] = [];
  for (const [token, id] of ids) tokens[id] = token;

  const { ranks, products, stride } = rankMerges(pairs, ids, tokens.length);
  const id = (token: string): number => {
    const found = ids.get(token);
    if (found === undefined) throw new InputError(`The vocabulary has no token ${JSON.stringify(token)}.`);
    return found;
  };
  const unknown = id(options.unknownToken);
  const inner = SYMBOLS.map((symbol) => ids.get(symbol) ?? unknown);
  const final = SYMBOLS.map((symbol) => ids.get(symbol + endOfWord) ?? unknown);
  const rankOf = (left: number, right: number) => ranks.get(left * stride + right);

  const utf8 = new TextEncoder();
  const memory = new Map<string, readonly number[]>();
  const encode = (word: string): readonly number[] => {
    const known = memory.get(word);
    if (known) return known;
    const bytes = utf8.encode(word);
    const symbols = Array.from(bytes, (byte, i) => (i === bytes.length - 1 ? final : inner)[byte]!);
    const merged = mergeSymbols(symbols, rankOf, products);
    if (word.length <= REMEMBERED_LENGTH) {
      if (memory.size === REMEMBERED_WORDS) memory.clear();
      memory.set(word, merged);
    }
    return merged;
  };
  const token = (at: number): string => {
    const found = tokens[at];
    if (found === undefined)
      throw new RangeError(`There is no token ${at}: the ids go from 0 to ${tokens.length - 1}.`);
    return found;
  };
  return { vocabSize: tokens.length, id, token, encode };
}

type Pair = readonly [left: string, right: string];

function parseMerges(text: string): Pair[] {
  const pairs: Pair[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line === "" || (i === 0 && line.startsWith("#version"))) continue;
    const [left, right, ...more] = line.split(" ");
    if (!left || !right || more.length > 0) {
      throw new InputError(
        `Line ${i + 1} of the merges is ${JSON.stringify(line.slice(0, 80))}: give two symbols a line.`,
      );
    }
    pairs.push([left, right]);
  }
  return pairs;
}

/** Ids in order: the bytes, the bytes that end a word (where those are marked), what the merges make, the specials. */
function deriveVocab(pairs: readonly Pair[], { endOfWord, specialTokens }: BpeOptions): Map<string, number> {
  const finals = endOfWord === "" ? [] : ALPHABET.map((symbol) => symbol + endOfWord);
  const tokens = [...ALPHABET, ...finals, ...pairs.map(([left, right]) => left + right), ...specialTokens];
  return new Map(tokens.map((token, id) => [token, id]));
}

/** Merges by the ids of their two parts: left · stride + right → rank, and by rank the id they make. */
function rankMerges(pairs: readonly Pair[], ids: ReadonlyMap<string, number>, stride: number) {
  const ranks = new Map<number, number>();
  const products = pairs.map(([left, right], rank) => {
    const [a, b, product] = [left, right, left + right].map((token) => ids.get(token));
    if (a === undefined || b === undefined || product === undefined) {
      throw new InputError(
        `The merge ${left} ${right} takes or makes a token that the vocabulary lacks: do they belong together?`,
      );
    }
    ranks.set(a * stride + b, rank);
    return product;
  });
  return { ranks, products, stride };
}
