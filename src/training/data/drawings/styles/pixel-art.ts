import { likely, oneOf, weighted } from "../../chance.ts";
import { near, palette } from "../palette.ts";
import { clothingOf, type PortraitStyle } from "../person.ts";

/** What the variants of hair show. */
const HAIR: Readonly<Record<string, readonly string[]>> = {
  long: ["long01", "long02", "long03", "long07", "long09", "long12", "long13", "long20"],
  bob: ["long04", "long11", "long17"],
  "shoulder-length": ["long16", "long21"],
  pigtails: ["long18", "long19"],
  ponytail: ["long06"],
  bun: ["long05"],
  curly: ["long15", "short11", "short13"],
  short: "01 02 03 04 06 08 09 10 15 16 17 19 22 24".split(" ").map((number) => `short${number}`),
  mohawk: ["short05", "short21"],
  bowl: ["short14"],
  balding: ["short18", "short07"],
};
const CLOTHING: Readonly<Record<string, readonly string[]>> = {
  shirt: ["04", "03", "12", "01"],
  "v-neck shirt": ["16", "17", "11", "05", "14", "08"],
  "tank top": ["09", "22", "10", "19"],
  "plaid shirt": ["06"],
  "striped shirt": ["13"],
};
const EYES = ["01", "02", "05", "06", "08", "09", "11", "12"].map((number) => `variant${number}`);
const HATS = Array.from({ length: 10 }, (_, i) => `variant${String(i + 1).padStart(2, "0")}`);
const MOUTHS = {
  smiling: ["happy09", "happy06", "happy12"],
  neutral: ["sad07", "sad06", "sad05", "sad04"],
  sad: ["sad01"],
} as const;
const EARS_SHOW = ["short", "bun", "ponytail", "pigtails", "bob", "mohawk"];

/** Pixel Art by DiceBear (CC0): sixteen by sixteen pixels. */
export const pixelArt: PortraitStyle = {
  hair: {
    woman: { long: 7, bob: 4, "shoulder-length": 3, pigtails: 3, ponytail: 2, bun: 3, curly: 2, short: 1 },
    man: { short: 9, curly: 2, mohawk: 2, bowl: 1, balding: 2, long: 1, bald: 1 },
  },
  hats: {
    share: 0.16,
    over: ["long", "bob", "shoulder-length", "pigtails", "ponytail", "short", "bowl"],
    glasses: true,
  },
  sunglasses: true,
  contrast: { hair: 90 },
  dress(person, chance) {
    const { sex, hair, glasses, hat, skin, clothes } = person;
    const woman = sex === "woman";
    const kind = weighted(chance, { shirt: 4, "v-neck shirt": 2, "tank top": 1, "plaid shirt": 1, "striped shirt": 1 });
    const redLips = woman && person.mood === "neutral" && likely(chance, 0.5);
    const earrings = woman && !hat && EARS_SHOW.includes(hair) && likely(chance, 0.25);
    const lips = redLips ? "d8141c" : skin === "dark" || skin === "brown" ? "5a2320" : "a8524a";
    return {
      choice: {
        parts: {
          ...(hair !== "bald" && { hair: oneOf(chance, HAIR[hair]!) }),
          eyes: oneOf(chance, EYES),
          clothing: `variant${oneOf(chance, CLOTHING[kind]!)}`,
          mouth: redLips ? "happy13" : oneOf(chance, MOUTHS[person.mood]),
          ...(person.beard && {
            beard: oneOf(chance, ["variant01", "variant05", "variant06", "variant07", "variant08"]),
          }),
          ...(hat && { hat: oneOf(chance, HATS) }),
          ...(glasses === "glasses" && { glasses: oneOf(chance, ["light02", "light05", "light06", "light07"]) }),
          ...(glasses === "sunglasses" && { glasses: oneOf(chance, ["dark02", "dark05", "dark06", "dark07"]) }),
          ...(earrings && { accessories: oneOf(chance, ["variant01", "variant02", "variant03", "variant04"]) }),
        },
        colors: {
          skin: near(chance, palette.skin[skin]),
          hair: near(chance, palette.hair[person.hairColor]),
          eyes: near(chance, palette.eyes[person.eyes]),
          clothing: near(chance, palette.clothes[clothes]),
          hat: near(chance, palette.clothes[hat ?? clothes]),
          glasses: glasses === "sunglasses" ? "151515" : oneOf(chance, ["323232", "43677d", "a04b5d"]),
          mouth: lips,
          accessories: "e8b923",
        },
      },
      details: { ...clothingOf(person, kind), redLips, earrings, ...(hat && { hatKind: "hat" }) },
    };
  },
};
