import { likely, oneOf } from "../../chance.ts";
import { difference, near, palette } from "../palette.ts";
import type { PortraitStyle } from "../person.ts";

/** What the variants of hair show. */
const HAIR: Readonly<Record<string, readonly number[]>> = {
  ponytail: [48, 36, 29, 42],
  bun: [46, 38, 31, 14],
  "two buns": [26],
  long: [21, 15],
  "long with bangs": [23, 16],
  "long wavy": [35],
  wavy: [37, 18, 32],
  bob: [17],
  "bob with bangs": [19],
  "shoulder-length": [13],
  curly: [24, 5],
  "short curly": [44, 39, 22, 9],
  buzz: [47],
  mohawk: [27],
  balding: [25, 28],
  messy: [20],
  spiky: [4],
  short: [1, 2, 3, 7, 12],
  "short with bangs": [43, 11, 6],
  quiff: [8],
};
const EYES = [24, 23, 21, 14, 10, 6, 4, 2, 11];
const MOUTHS = {
  smiling: ["happy01", "happy02", "happy05", "happy06", "happy07", "happy16"],
  neutral: ["happy14", "sad03", "happy10"],
  sad: ["sad04", "sad05"],
} as const;
const FLOWERS = { pink: "e84a8a", white: "ffffff", yellow: "f2c530" } as const;
const EARS_SHOW = ["short", "bun", "two buns", "ponytail"];

const variant = (number: number): string => `variant${String(number).padStart(2, "0")}`;

/** Lorelei by Lisa Wischofsky (CC0): ink drawings, coloured here. */
export const lorelei: PortraitStyle = {
  hair: {
    woman: {
      ponytail: 4,
      bun: 3,
      "two buns": 2,
      long: 4,
      "long with bangs": 3,
      "long wavy": 3,
      wavy: 2,
      bob: 2,
      "bob with bangs": 2,
      "shoulder-length": 2,
      curly: 2,
      "short with bangs": 1,
    },
    man: {
      short: 6,
      "short curly": 3,
      buzz: 1,
      mohawk: 1,
      balding: 1,
      messy: 2,
      quiff: 2,
      spiky: 2,
      "short with bangs": 1,
      "shoulder-length": 1,
    },
  },
  hats: { share: 0, over: [], glasses: true },
  sunglasses: true,
  // The eyes are strokes on the skin.
  contrast: { hair: 110, eyes: 190 },
  dress(person, chance) {
    const { sex, hair, hairColor, glasses, skin } = person;
    const woman = sex === "woman";
    const round = likely(chance, 0.4);
    const freckles = skin !== "brown" && skin !== "dark" && likely(chance, 0.1);
    const earrings = woman && EARS_SHOW.includes(hair) && likely(chance, 0.3);
    const flower = oneOf(chance, Object.keys(FLOWERS) as (keyof typeof FLOWERS)[]);
    const flowers = woman && likely(chance, 0.12) && difference(FLOWERS[flower], palette.hair[hairColor]) >= 150;
    const shade = near(chance, palette.hair[hairColor]);
    const eyewear = round ? "variant01" : oneOf(chance, ["variant03", "variant04"]);
    return {
      choice: {
        mirrored: likely(chance, 0.4),
        parts: {
          head: oneOf(chance, ["variant01", "variant02", "variant03", "variant04"]),
          hair: variant(oneOf(chance, HAIR[hair]!)),
          eyes: variant(oneOf(chance, EYES)),
          eyebrows: variant(1 + Math.floor(13 * chance())),
          nose: variant(1 + Math.floor(6 * chance())),
          mouth: oneOf(chance, MOUTHS[person.mood]),
          ...(person.beard && { beard: oneOf(chance, ["variant01", "variant02"]) }),
          ...(freckles && { freckles: "variant01" }),
          ...(earrings && { earrings: "variant03" }),
          ...(flowers && { hairAccessories: "flowers" }),
          ...(glasses !== "none" && { glasses: glasses === "sunglasses" ? "variant02" : eyewear }),
        },
        colors: {
          skin: near(chance, palette.skin[skin]),
          hair: shade,
          eyebrows: hairColor === "white" ? "9a9a9a" : shade,
          eyes: near(chance, palette.eyes[person.eyes]),
          mouth: woman ? "c23a3a" : "5a2a24",
          nose: "3a2018",
          freckles: "a0582f",
          glasses: "1a1a1a",
          earrings: "e0a81c",
          hairAccessories: FLOWERS[flower],
        },
      },
      details: {
        freckles,
        earrings,
        ...(flowers && { flowers: flower }),
        ...(glasses === "glasses" && { glassesKind: round ? "round" : "square" }),
      },
    };
  },
};
