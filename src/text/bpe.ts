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

/**
 * Builds an encoding. Merges are looked up as they are written: turning all 50,000 into ids first would take longer
 * than any prompt.
 *
 * @throws InputError naming the merge that is malformed or, where the ids follow from the merges, takes a token that
 *   is none; with a vocabulary, `encode` throws it when a merge makes a token that the vocabulary lacks
 */
export function createBpe(options: BpeOptions): Bpe {
  const { vocab, endOfWord } = options;
  const merges = parseMerges(options.merges);
  const ids = new Map<string, number>();
  const tokens: string[] = [];
  const add = (token: string, id: number): void => {
    ids.set(token, id);
    tokens[id] = token;
  };
  if (vocab) for (const token of Object.keys(vocab)) add(token, vocab[token]!);
  else {
    deriveTokens(merges, options).forEach(add);
    checkParts(merges, ids);
  }
  const ranks = new Map<string, number>();
  for (let rank = 0; rank < merges.length; rank++) ranks.set(merges[rank]!, rank);

  const id = (token: string): number => {
    const found = ids.get(token);
    if (found === undefined) throw new InputError(`The vocabulary has no token ${JSON.stringify(token)}.`);
    return found;
  };
  const unknown = id(options.unknownToken);
  const inner = SYMBOLS.map((symbol) => ids.get(symbol) ?? unknown);
  const final = SYMBOLS.map((symbol) => ids.get(symbol + endOfWord) ?? unknown);
  const made = (merge: string): number => {
    const found = ids.get(merge.replace(" ", ""));
    if (found === undefined) throw unfitting(merge);
    return found;
  };
  // What the merges make, by rank, each noted when a word first meets it.
  const products = new Array<number>(merges.length);
  const rankOf = (left: number, right: number): number | undefined => {
    const merge = `${tokens[left]} ${tokens[right]}`;
    const rank = ranks.get(merge);
    if (rank !== undefined) products[rank] ??= made(merge);
    return rank;
  };

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

/** The merges as they are written, each with exactly one space in it. */
function parseMerges(text: string): string[] {
  const merges: string[] = [];
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line === "" || (i === 0 && line.startsWith("#version"))) continue;
    const space = line.indexOf(" ");
    if (space <= 0 || space === line.length - 1 || line.includes(" ", space + 1)) {
      throw new InputError(
        `Line ${i + 1} of the merges is ${JSON.stringify(line.slice(0, 80))}: give two symbols a line.`,
      );
    }
    merges.push(line);
  }
  return merges;
}

/** Tokens by id: the bytes, the bytes that end a word (where those are marked), what the merges make, the specials. */
function deriveTokens(merges: readonly string[], { endOfWord, specialTokens }: BpeOptions): string[] {
  const finals = endOfWord === "" ? [] : ALPHABET.map((symbol) => symbol + endOfWord);
  return [...ALPHABET, ...finals, ...merges.map((merge) => merge.replace(" ", "")), ...specialTokens];
}

function checkParts(merges: readonly string[], ids: ReadonlyMap<string, number>): void {
  for (const merge of merges) {
    const space = merge.indexOf(" ");
    if (!ids.has(merge.slice(0, space)) || !ids.has(merge.slice(space + 1))) throw unfitting(merge);
  }
}

function unfitting(merge: string): InputError {
  return new InputError(
    `The merge ${merge} takes or makes a token that the vocabulary lacks: do they belong together?`,
  );
}
