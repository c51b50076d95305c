import { oneOf } from "../chance.ts";
import type { Chance } from "../dataset.ts";

/** With "a" or "an", unless it has an article. */
export function one(noun: string): string {
  if (/^(a|an|the) /.test(noun)) return noun;
  const vowel = (/^[aeiou]/.test(noun) && !/^(uni|eu|one|ufo|ut)/.test(noun)) || noun.startsWith("hour");
  return `${vowel ? "an" : "a"} ${noun}`;
}

export const bare = (phrase: string): string => phrase.replace(/^(a|an|the) /, "");

/** "a, b and c". */
export function listed(items: readonly string[]): string {
  return items.length > 1 ? `${items.slice(0, -1).join(", ")} and ${items.at(-1)}` : (items[0] ?? "");
}

/** How the background is told of, behind what is on it. */
export const onBackground = (chance: Chance, color: string): string =>
  oneOf(chance, [
    ` on ${one(color)} background`,
    ` on ${one(color)} background`,
    `, ${color} background`,
    ` against ${one(color)} background`,
    ` in front of ${one(color)} background`,
  ]);

/** What a style is called, before and behind what is drawn in it. */
const STYLES = {
  pixel: {
    before: ["pixel art portrait of", "pixel art of", "a pixel art picture of"],
    behind: ["pixel art", "pixel art style"],
  },
  lorelei: {
    before: ["ink drawing of", "an ink drawing of", "comic style portrait of"],
    behind: ["ink drawing", "comic style"],
  },
  bigheads: { before: ["cartoon of", "cartoon portrait of", "a cartoon of"], behind: ["cartoon", "cartoon style"] },
  faces: {
    before: ["cartoon face of", "illustration of", "an illustration of"],
    behind: ["cartoon face", "illustration"],
  },
  "3d": { before: ["3d icon of", "3d render of", "a 3d render of"], behind: ["3d icon", "3d render"] },
  glossy: { before: ["glossy icon of", "a glossy icon of"], behind: ["glossy icon"] },
  flat: { before: ["flat icon of", "a flat icon of"], behind: ["flat icon", "flat icon style"] },
  noto: { before: ["cartoon emoji of", "a cartoon emoji of"], behind: ["cartoon emoji"] },
  shape: { before: ["simple drawing of", "drawing of"], behind: ["simple drawing", "simple shapes"] },
} as const;

export type StyleName = keyof typeof STYLES;

/** A phrase with the words for its style, in front more often than behind. */
export function inStyle(chance: Chance, phrase: string, style: StyleName): string {
  const { before, behind } = STYLES[style];
  const introduced = /^((a|an|the) )?(picture|portrait|drawing|image|face) of /.test(phrase);
  if (!introduced && chance() < 0.6) return `${oneOf(chance, before)} ${phrase}`;
  return `${phrase}, ${oneOf(chance, behind)}`;
}

/** How much a caption says: next to nothing, something, nearly all. */
export type Detail = 0 | 1 | 2;
