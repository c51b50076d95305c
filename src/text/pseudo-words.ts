import { type ClipTokenizer, rowOf } from "./clip-tokenizer.ts";
import { wholeWords } from "./whole-words.ts";

/** A word outside the vocabulary that was learnt by textual inversion (Gal et al. 2022, "pseudo-word"). */
export interface PseudoWord {
  readonly name: string;
  /** Ids in a row that it becomes. */
  readonly vectors: number;
}

/**
 * The same tokenizer, which finds `words` first: as whole words, in any case, the longest where several begin at one place.
 * They have the ids from `firstId` on, in their order.
 */
export function withPseudoWords(
  tokenizer: ClipTokenizer,
  words: readonly PseudoWord[],
  firstId: number,
): ClipTokenizer {
  if (words.length === 0) return tokenizer;
  let next = firstId;
  const placed = words.map(({ name, vectors }) => ({ name, ids: Array.from({ length: vectors }, () => next++) }));
  /** By what lies behind the vocabulary: the token's name, and how many ids from here on are one word. */
  const own = placed.flatMap(({ name, ids }) =>
    ids.map((_, i) => (i === 0 ? { token: name, span: ids.length } : { token: `${name}_${i}`, span: 0 })),
  );
  const ofId = (id: number) => own[id - firstId];
  const longestFirst = placed.toSorted((a, b) => b.name.length - a.name.length);
  const patterns = longestFirst.map(({ name }) => `(${wholeWords(name.normalize("NFC")).source})`);
  const pattern = new RegExp(patterns.join("|"), "giu");

  const encode = (text: string): number[] => {
    const normal = text.normalize("NFC");
    const ids: number[] = [];
    const plain = (from: number, to: number): void => {
      for (const id of tokenizer.encode(normal.slice(from, to)).slice(1, -1)) ids.push(id);
    };
    let at = 0;
    for (const match of normal.matchAll(pattern)) {
      plain(at, match.index);
      ids.push(...longestFirst[match.slice(1).findIndex((found) => found !== undefined)]!.ids);
      at = match.index + match[0].length;
    }
    plain(at, normal.length);
    return [tokenizer.bosId, ...ids, tokenizer.eosId];
  };
  const decode: ClipTokenizer["decode"] = (ids, options) => {
    const parts: string[] = [];
    let at = 0;
    for (const [i, id] of ids.entries()) {
      const word = ofId(id);
      if (!word) continue;
      parts.push(tokenizer.decode(ids.slice(at, i), options), word.span > 0 ? word.token : "");
      at = i + 1;
    }
    parts.push(tokenizer.decode(ids.slice(at), options));
    return parts.filter(Boolean).join(" ");
  };
  const extended = {
    ...tokenizer,
    encode,
    decode,
    token: (id: number) => ofId(id)?.token ?? tokenizer.token(id),
    span: (id: number) => ofId(id)?.span || 1,
  };
  return { ...extended, row: (text) => rowOf(extended, text) };
}
