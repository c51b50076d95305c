import { likely, oneOf } from "../../chance.ts";
import { near, palette } from "../palette.ts";
import { clothingOf, type PortraitStyle, type Sex } from "../person.ts";

/** What its hair shows. */
const HAIR: Readonly<Record<Sex, Readonly<Record<string, readonly string[]>>>> = {
  woman: {
    "bob with bangs": ["female1"],
    pigtails: ["female2"],
    bun: ["female8"],
    bob: ["female5", "female6"],
    short: ["female4"],
    "long with bangs": ["female7"],
    long: ["female9"],
    "long wavy": ["female10"],
  },
  man: {
    afro: ["afro", "afro2"],
    short: ["crop", "short", "short2", "short3", "parted", "middle-part", "crop-fade"],
    curly: ["curly", "curly2", "curly3"],
    spiky: ["spike", "spike3", "spike4", "messy-short"],
    messy: ["messy", "shaggy1"],
    "flat top": ["high"],
    balding: ["short-bald"],
    long: ["short", "parted", "middle-part"],
  },
};
/** What long hair looks like behind the head. */
const BEHIND: Readonly<Record<Sex, readonly string[]>> = {
  woman: ["female3", "female4", "female2"],
  man: ["female2", "female3"],
};
const EYES: Readonly<Record<Sex, readonly string[]>> = {
  woman: ["female1", "female1", "female10", "female3", "female4"],
  man: ["eye1", "eye1", "eye10", "eye2", "eye3", "eye4", "eye8"],
};
const MOUTHS = {
  smiling: ["smile", "smile2", "smile3", "smile4"],
  neutral: ["straight", "mouth4"],
  sad: ["closed"],
} as const;

/** facesjs by dumbmatter and others (Apache-2.0): the black of its eyes is coloured here. */
export const faces: PortraitStyle = {
  hair: {
    woman: {
      "bob with bangs": 2,
      pigtails: 2,
      bun: 2,
      bob: 3,
      short: 1,
      "long with bangs": 2,
      long: 3,
      "long wavy": 3,
    },
    man: { afro: 2, bald: 1, short: 6, curly: 2, spiky: 2, messy: 2, "flat top": 1, balding: 1, long: 1 },
  },
  hats: { share: 0.16, over: ["long", "bob", "short"], glasses: true },
  sunglasses: false,
  contrast: { hair: 90 },
  dress(person, chance) {
    const { sex, hair, glasses, hat, clothes, skin } = person;
    const freckles = skin !== "brown" && skin !== "dark" && likely(chance, 0.08);
    const behind = hair.startsWith("long")
      ? hair === "long wavy"
        ? "female5"
        : oneOf(chance, BEHIND[sex])
      : undefined;
    // Hair that would stand out of a hat gives way to short hair, as in facesjs.
    const head = hat && sex === "man" ? "short" : hair === "bald" ? undefined : oneOf(chance, HAIR[sex][hair]!);
    const cloth = near(chance, palette.clothes[clothes]);
    return {
      choice: {
        mirrored: likely(chance, 0.5),
        parts: {
          ...(behind && { hairBack: behind }),
          body: "body",
          clothing: oneOf(chance, ["jersey", "jersey2", "jersey3", "jersey4", "jersey5"]),
          ears: "ear1",
          head: oneOf(
            chance,
            sex === "woman" ? ["female1", "female2", "female3"] : ["head1", "head2", "head3", "head4"],
          ),
          ...(freckles && { freckles: "freckles1" }),
          ...(person.beard && { beard: oneOf(chance, ["beard1", "beard2", "beard3", "beard4"]) }),
          eyes: oneOf(chance, EYES[sex]),
          eyebrows: oneOf(
            chance,
            sex === "woman" ? ["female1", "female2", "female3"] : ["eyebrow1", "eyebrow2", "eyebrow3"],
          ),
          mouth: oneOf(chance, MOUTHS[person.mood]),
          nose: oneOf(chance, ["nose1", "nose2", "nose3", "nose9", "small"]),
          ...(head && { hair: head }),
          ...(glasses !== "none" && {
            glasses: oneOf(chance, ["glasses2-black", "glasses2-black", "glasses1-primary"]),
          }),
          ...(hat && { hat: oneOf(chance, ["hat", "hat2", "hat3"]) }),
        },
        colors: {
          skin: near(chance, palette.skin[skin]),
          hair: near(chance, palette.hair[person.hairColor]),
          eyes: near(chance, palette.eyes[person.eyes]),
          clothing: cloth,
          hat: near(chance, palette.clothes[hat ?? clothes]),
        },
      },
      details: { ...clothingOf(person, "jersey"), freckles, ...(hat && { hatKind: "cap" }) },
    };
  },
};
