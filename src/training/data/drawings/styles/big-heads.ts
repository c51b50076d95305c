import { likely, oneOf } from "../../chance.ts";
import { darker, near, palette } from "../palette.ts";
import { clothingOf, type PortraitStyle } from "../person.ts";

/** Its clothes, and what they are called. */
const CLOTHING = { shirt: "t-shirt", vneck: "v-neck sweater", tankTop: "tank top", dress: "dress" } as const;
const MOUTHS = { smiling: ["grin", "openSmile"], neutral: ["serious", "lips"], sad: ["sad"] } as const;

/** BigHeads by Robert Broersma (MIT): the dots of its eyes have an iris here. */
export const bigHeads: PortraitStyle = {
  hair: {
    woman: { long: 4, bun: 2, bob: 3, afro: 2, pixie: 1 },
    man: { short: 5, balding: 1, buzz: 2, afro: 2 },
  },
  // A hat and glasses together hide the eyes.
  hats: { share: 0.22, over: ["long", "short", "buzz"], glasses: false },
  sunglasses: true,
  contrast: { hair: 90 },
  dress(person, chance) {
    const { sex, hair, glasses, hat, clothes } = person;
    const woman = sex === "woman";
    const clothing = oneOf(
      chance,
      woman ? (["shirt", "vneck", "tankTop", "dress"] as const) : (["shirt", "vneck"] as const),
    );
    const mouth = oneOf(
      chance,
      woman ? MOUTHS[person.mood] : MOUTHS[person.mood].slice(0, person.mood === "smiling" ? 2 : 1),
    );
    const hatKind = hat && oneOf(chance, ["beanie", "beanie", "beanie", "turban"]);
    const round = likely(chance, 0.5);
    const [skin, hairs] = [near(chance, palette.skin[person.skin]), near(chance, palette.hair[person.hairColor])];
    const [cloth, top] = [near(chance, palette.clothes[clothes]), near(chance, palette.clothes[hat ?? clothes])];
    return {
      choice: {
        parts: {
          bodyBack: "chest",
          hairBack: hair,
          hairFront: hair,
          clothing,
          ...(clothing === "dress" && { clothingFront: "dress" }),
          eyes: woman ? "lashes" : "plain",
          eyebrows: person.mood === "sad" ? "concerned" : "raised",
          mouth,
          ...(person.beard && { beard: "full" }),
          ...(hatKind && { hatBack: `${hatKind} ${hair}`, hatFront: `${hatKind} ${hair}` }),
          ...(glasses === "glasses" && { glasses: round ? "roundGlasses" : "tinyGlasses" }),
          ...(glasses === "sunglasses" && { glasses: "shades" }),
        },
        colors: {
          skin,
          skinShade: darker(skin, 0.87),
          hair: hairs,
          hairShade: darker(hairs),
          clothing: cloth,
          clothingShade: darker(cloth),
          hat: top,
          hatShade: darker(top),
          eyes: near(chance, palette.eyes[person.eyes]),
          lips: "dd3e3e",
          lipsShade: "c43333",
        },
      },
      details: {
        // A beard hides the collar.
        ...(!person.beard && clothingOf(person, CLOTHING[clothing])),
        ...(hatKind && { hatKind }),
        redLips: mouth === "lips",
        ...(glasses === "glasses" && { glassesKind: round ? "round" : "small" }),
      },
    };
  },
};
