import { type Gpt2Tokenizer, wholeWords } from "../text/index.ts";

/** What must not be written. */
export interface Ban {
  /** As id sequences, for the choice of tokens: each phrase with and without a space before it, in four casings. */
  readonly sequences: readonly (readonly number[])[];
  /**
   * The first phrase that stands in `text` as whole words, in any casing, and reaches beyond its first `from` characters.
   * A byte-pair encoding can spell a word in more ways than one: what the sequences let through is found here.
   */
  find(text: string, from: number): string | undefined;
}

/** A ban list file: a word or phrase a line; empty lines and what follows a `#` count for nothing. */
export function parseBanList(text: string): string[] {
  const lines = text.replace(/^\ufeff/, "").split(/\r?\n/);
  return lines.map((line) => tidied(line.replace(/(^|\s)#.*$/, ""))).filter((line) => line !== "");
}

export function createBan(list: readonly string[], tokenizer: Gpt2Tokenizer): Ban {
  const phrases = [...new Set(list.map(tidied))].filter((phrase) => phrase !== "");
  const forms = phrases.flatMap((phrase) => casings(phrase).flatMap((form) => [form, ` ${form}`]));
  const patterns = phrases.map((phrase) => [phrase, wholeWords(phrase)] as const);
  return {
    sequences: [...new Set(forms)].map((form) => tokenizer.encode(form)),
    find: (text, from) =>
      patterns.find(([, pattern]) => [...text.matchAll(pattern)].some((m) => m.index + m[0].length > from))?.[0],
  };
}

const tidied = (text: string): string => text.trim().replace(/\s+/g, " ");

/** As written, in small letters, in capitals, with one capital in front of the phrase, and in front of each word. */
function casings(phrase: string): string[] {
  const lower = phrase.toLowerCase();
  const capital = (text: string) => text.replace(/^\P{L}*\p{L}/u, (start) => start.toUpperCase());
  return [phrase, lower, phrase.toUpperCase(), capital(lower), lower.split(" ").map(capital).join(" ")];
}
