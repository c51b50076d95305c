import type { Picture } from "../../../image/index.ts";
import { type Box, boxOf, enlarged } from "../boxes.ts";
import type { Chance } from "../dataset.ts";
import { type Art, assembled, type Choice, type Kit, type PortraitStyleName, pictureOf, rasterOf } from "./art.ts";
import type { Combination } from "./held-out.ts";
import { difference, palette } from "./palette.ts";
import { type Details, type Person, type PortraitStyle, someone } from "./person.ts";
import { bigHeads } from "./styles/big-heads.ts";
import { faces } from "./styles/faces.ts";
import { lorelei } from "./styles/lorelei.ts";
import { pixelArt } from "./styles/pixel-art.ts";

const styles: Readonly<Record<PortraitStyleName, PortraitStyle>> = {
  pixel: pixelArt,
  lorelei,
  bigheads: bigHeads,
  faces,
};

/** Who is drawn how. */
export interface Portrait {
  readonly kind: "portrait";
  readonly style: PortraitStyleName;
  readonly person: Person;
  readonly details: Details;
  readonly choice: Choice;
}

export function planPortrait(chance: Chance, style: PortraitStyleName): Portrait {
  const person = someone(chance, styles[style]);
  const { choice, details } = styles[style].dress(person, chance);
  const background = palette.background[person.background];
  return { kind: "portrait", style, person, details, choice: { ...choice, background } };
}

export const portraitCombination = ({ style, person }: Portrait): Combination => [
  "portrait",
  person.sex,
  person.hair === "bald" ? "none" : person.hairColor,
  person.eyes,
  style,
];

/** What of a portrait can be seen. */
export interface Seen {
  /** Around the coloured parts of both eyes; absent where hair, a hat or dark glasses hide them. */
  readonly eyes?: Box;
  readonly hair: boolean;
}

/** Pixels of a picture, in thousandths, that must show a colour before it is told of. */
const SEEN = { eyes: 0.6, hair: 12 } as const;
/** Pixels of a side that are enough to see whether hair is seen. */
const GLANCE = 64;

/**
 * The picture, and what can be seen in it: where the pixels change when the eyes have another colour, there they are.
 * So is known what a fringe, a hat or a lens hides, without a rule for each of them.
 */
export async function drawPortrait(
  { portraits }: Art,
  { style, choice, person }: Portrait,
  size: number,
): Promise<{ readonly picture: Picture; readonly seen: Seen }> {
  const kit = portraits[style];
  const picture = await drawn(kit, choice, size);
  const eyes = changed(picture, await drawn(kit, recoloured(choice, "eyes"), size));
  // Dark glasses may let some colour through, but nobody would name it.
  const clear = person.glasses !== "sunglasses" && eyes.thousandths >= SEEN.eyes;
  const hair = person.hair !== "bald" && (!person.hat || (await hairUnderHat(kit, choice)));
  return { picture, seen: { ...(clear && { eyes: eyes.box }), hair } };
}

/** A beard and brows have the colour of the hair, and are none. */
async function hairUnderHat(
  kit: Kit,
  { parts: { beard: _, eyebrows: __, ...parts }, ...choice }: Choice,
): Promise<boolean> {
  const bareFaced = { ...choice, parts };
  const [one, other] = [bareFaced, recoloured(bareFaced, "hair")].map((each) => drawn(kit, each, GLANCE));
  return changed(await one!, await other!).thousandths >= SEEN.hair;
}

const recoloured = (choice: Choice, name: string): Choice => {
  const color = choice.colors[name]!;
  const unlike = difference(color, "ff00ff") > difference(color, "00ff00") ? "ff00ff" : "00ff00";
  return { ...choice, colors: { ...choice.colors, [name]: unlike } };
};

/** Where two pictures differ clearly, and in how many of a thousand pixels. */
function changed({ width, height, data }: Picture, other: Picture): { box?: Box; thousandths: number } {
  const differs = (i: number): boolean =>
    [0, 1, 2].reduce((sum, c) => sum + Math.abs(data[3 * i + c]! - other.data[3 * i + c]!), 0) > 120;
  const { box, count } = boxOf(width, height, differs);
  return { box, thousandths: (1000 * count) / (width * height) };
}

async function drawn(kit: Kit, choice: Choice, size: number): Promise<Picture> {
  const svg = assembled(kit, choice);
  if (!kit.crisp) return pictureOf(await rasterOf(svg, size, size));
  const grid = Number(kit.viewBox.split(" ")[2]);
  return enlarged(pictureOf(await rasterOf(svg, grid, grid)), size);
}
