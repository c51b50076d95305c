import { likely, oneOf, weighted } from "../chance.ts";
import type { Chance } from "../dataset.ts";
import type { Choice } from "./art.ts";
import {
  type Background,
  backgrounds,
  type Clothes,
  clothesColors,
  difference,
  type EyeColor,
  type HairColor,
  palette,
  type Skin,
} from "./palette.ts";

export type Sex = "woman" | "man";
export type Mood = "smiling" | "neutral" | "sad";

/** Who is drawn, whatever the style. */
export interface Person {
  readonly sex: Sex;
  /** "long wavy", "bald" … */
  readonly hair: string;
  readonly hairColor: HairColor;
  readonly eyes: EyeColor;
  readonly skin: Skin;
  readonly glasses: "none" | "glasses" | "sunglasses";
  readonly beard: boolean;
  /** The colour of a hat, where there is one. */
  readonly hat?: Clothes;
  readonly mood: Mood;
  readonly clothes: Clothes;
  readonly background: Background;
}

/** What a style adds, each told of only where it is drawn. */
export interface Details {
  /** "red v-neck shirt" */
  readonly clothing?: string;
  /** "cap", "beanie" */
  readonly hatKind?: string;
  /** "round", "square" */
  readonly glassesKind?: string;
  readonly earrings?: boolean;
  readonly redLips?: boolean;
  readonly freckles?: boolean;
  /** The colour of flowers in the hair. */
  readonly flowers?: string;
}

/** One way to draw people. */
export interface PortraitStyle {
  /** Kinds of hair, and how often. */
  readonly hair: Readonly<Record<Sex, Readonly<Record<string, number>>>>;
  /** How often there is a hat, the kinds of hair that it may sit on, and whether glasses can be worn under it. */
  readonly hats: { readonly share: number; readonly over: readonly string[]; readonly glasses: boolean };
  readonly sunglasses: boolean;
  /** How different hair and skin are at least, and eyes and skin where the eyes have no white. */
  readonly contrast: { readonly hair: number; readonly eyes?: number };
  dress(person: Person, chance: Chance): { readonly choice: Omit<Choice, "background">; readonly details: Details };
}

const HAIR: Readonly<Record<HairColor, number>> = {
  black: 5,
  brown: 6,
  "dark brown": 2,
  blonde: 6,
  red: 3.5,
  ginger: 3,
  gray: 2,
  white: 1.5,
  pink: 1.7,
  blue: 1.7,
  green: 1.2,
  purple: 1.2,
};
const EYES: Readonly<Record<EyeColor, number>> = {
  blue: 5,
  green: 4.5,
  brown: 4.5,
  gray: 2,
  amber: 1.5,
  violet: 1.5,
  black: 1.8,
};
const SKIN: Readonly<Record<Skin, number>> = { pale: 2, light: 4, tan: 3, brown: 3, dark: 2 };

/** Someone who can be told apart from what is behind, and whose colours from each other. */
export function someone(chance: Chance, style: PortraitStyle): Person {
  for (;;) {
    const person = anyone(chance, style);
    if (isClear(person, style)) return person;
  }
}

function anyone(chance: Chance, style: PortraitStyle): Person {
  const sex = likely(chance, 0.54) ? "woman" : "man";
  const hair = weighted(chance, style.hair[sex]);
  const hatted = likely(chance, style.hats.share) && style.hats.over.includes(hair);
  const dark = style.sunglasses && likely(chance, 0.36);
  return {
    sex,
    hair,
    hairColor: weighted(chance, HAIR),
    eyes: weighted(chance, EYES),
    skin: weighted(chance, SKIN),
    glasses: (hatted && !style.hats.glasses) || !likely(chance, 0.26) ? "none" : dark ? "sunglasses" : "glasses",
    beard: sex === "man" && hair !== "bald" && likely(chance, 0.32),
    ...(hatted && { hat: oneOf(chance, clothesColors) }),
    mood: weighted(chance, { smiling: 4, neutral: 3, sad: 2 }),
    clothes: oneOf(chance, clothesColors),
    background: oneOf(chance, backgrounds),
  };
}

function isClear({ hair, hairColor, eyes, skin, hat, background }: Person, { contrast }: PortraitStyle): boolean {
  const behind = palette.background[background];
  const [hairs, face] = [palette.hair[hairColor], palette.skin[skin]];
  if (hair !== "bald" && difference(hairs, behind) < 125) return false;
  if (difference(face, behind) < 75 || difference(hairs, face) < contrast.hair) return false;
  if (contrast.eyes !== undefined && difference(palette.eyes[eyes], face) < contrast.eyes) return false;
  if (hat === undefined) return true;
  return difference(palette.clothes[hat], behind) >= 110 && difference(palette.clothes[hat], hairs) >= 80;
}

/** Clothes of the background's colour are drawn, but not told of. */
export const clothingOf = ({ clothes, background }: Person, what: string): Pick<Details, "clothing"> =>
  difference(palette.clothes[clothes], palette.background[background]) < 80 ? {} : { clothing: `${clothes} ${what}` };
