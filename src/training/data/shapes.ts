import type { Picture } from "../../image/index.ts";
import { type Box, boxOf } from "./boxes.ts";
import { below, chanceOf, oneOf } from "./chance.ts";
import type { Chance, Dataset, Example, GeneratorOptions } from "./dataset.ts";
import { coverage, type Form, forms } from "./shape-forms.ts";

export type Rgb = readonly [number, number, number];

/** Of shapes. */
export const shapeColors = {
  red: [214, 40, 44],
  yellow: [248, 214, 52],
  green: [46, 158, 78],
  blue: [44, 104, 222],
  purple: [140, 68, 196],
  orange: [244, 132, 30],
} as const satisfies Record<string, Rgb>;

/** Of what is behind them. */
export const shapeBackgrounds = {
  white: [246, 246, 246],
  black: [20, 20, 22],
  gray: [150, 152, 156],
} as const satisfies Record<string, Rgb>;

export type ShapeColor = keyof typeof shapeColors;
export type ShapeBackground = keyof typeof shapeBackgrounds;

/** What a drawing of a shape shows, exactly. */
export type ShapeTruth = {
  readonly color: ShapeColor;
  readonly shape: Form;
  readonly background: ShapeBackground;
  readonly box: Box;
};

/** Pictures are of 64 pixels a side where nothing else is said. */
export interface ShapesOptions extends GeneratorOptions {
  /** Which of them. Default all. */
  readonly colors?: readonly ShapeColor[];
  readonly shapes?: readonly Form[];
  readonly backgrounds?: readonly ShapeBackground[];
}

interface Drawing {
  readonly picture: Picture;
  readonly truth: ShapeTruth;
}

/** What pictures of shapes may show. */
export interface ShapePair {
  readonly color: ShapeColor;
  readonly shape: Form;
}

/** Set where drawings of the same seed become others, so that nothing old is taken for them. */
const EDITION = 1;
/** Bytes of drawings that are remembered. */
const ROOM = 2 ** 26;
/** How far a colour may be from its name's, in each channel. */
const JITTER = 8;

const allColors = Object.keys(shapeColors) as ShapeColor[];
const allShapes = Object.keys(forms) as Form[];
const allBackgrounds = Object.keys(shapeBackgrounds) as ShapeBackground[];

/**
 * The pairs of a split. Held out is a diagonal: a colour, or a shape, with one partner at most, so that each is learnt
 * with all the others.
 */
export function shapePairs({
  split = "train",
  colors = allColors,
  shapes = allShapes,
}: Pick<ShapesOptions, "split" | "colors" | "shapes"> = {}): ShapePair[] {
  const round = Math.max(colors.length, shapes.length);
  const heldOut = (i: number, j: number): boolean => (i + j) % round === round - 1;
  return colors.flatMap((color, i) =>
    shapes.flatMap((shape, j) => (heldOut(i, j) === (split === "heldout") ? [{ color, shape }] : [])),
  );
}

/**
 * Drawings of one coloured shape on a plain background: what a small model learns from nothing, and is judged on with
 * pairs of colour and shape that it never saw. The same place of the same seed is the same drawing, byte for byte. The
 * attributes are a {@link ShapeTruth}.
 */
export function shapes(options: ShapesOptions): Dataset {
  const { count, size = 64, seed = 0, split = "train", colors, shapes: chosen, backgrounds = allBackgrounds } = options;
  const pairs = shapePairs({ split, colors, shapes: chosen });
  const drawn = (index: number): Drawing => {
    const chance = chanceOf(seed, index);
    const { color, shape } = oneOf(chance, pairs);
    const background = oneOf(chance, backgrounds);
    const reach = size * (0.24 + 0.18 * chance());
    const middle = (): number => reach + chance() * (size - 2 * reach);
    const covered = coverage(shape, { x: middle(), y: middle(), reach }, size);
    const { box } = boxOf(size, size, (i) => covered[i]! > 0);
    const ink = jittered(shapeColors[color], chance);
    const paper = jittered(shapeBackgrounds[background], chance);
    return { picture: painted(covered, ink, paper, size), truth: { color, shape, background, box: box! } };
  };
  // Learning comes by each drawing again and again.
  const known = new Map<number, Drawing>();
  const room = ROOM / (3 * size ** 2);
  return {
    name: `shapes (${split})`,
    length: count,
    async at(index, { chance: choice, signal } = {}) {
      signal?.throwIfAborted();
      const drawing = known.get(index) ?? drawn(index);
      if (known.size < room) known.set(index, drawing);
      const { picture, truth } = drawing;
      const caption = shapeCaption(truth, choice);
      return { key: `shape-${seed}-${index}`, picture, caption, attributes: truth } satisfies Example;
    },
    identify: async (index) => JSON.stringify(["shapes", EDITION, size, seed, index, pairs, backgrounds]),
  };
}

/**
 * A caption of a pair, in the plainest words where no chance is given; else the background is told of half of the time, and
 * now and then the shape without its colour, or that there is a shape of this colour, so that each word is learnt for itself.
 */
export function shapeCaption(
  { color, shape, background }: ShapePair & { readonly background?: ShapeBackground },
  chance?: Chance,
): string {
  const what = chance && chance() < 0.2 ? oneOf(chance, [shape, `${color} shape`]) : `${color} ${shape}`;
  const one = `${/^[aeiou]/.test(what) ? "an" : "a"} ${what}`;
  if (!chance) return one;
  const named = chance() < 0.25 ? what : one;
  if (!background || chance() < 0.5) return named;
  return named + oneOf(chance, [` on a ${background} background`, `, ${background} background`]);
}

function jittered(color: Rgb, chance: Chance): Rgb {
  const near = (value: number): number => Math.min(255, Math.max(0, value + below(chance, 2 * JITTER + 1) - JITTER));
  return [near(color[0]), near(color[1]), near(color[2])];
}

function painted(covered: Float32Array, ink: Rgb, paper: Rgb, size: number): Picture {
  const data = new Uint8Array(3 * size * size);
  for (const [i, part] of covered.entries()) {
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(paper[c]! + part * (ink[c]! - paper[c]!));
  }
  return { width: size, height: size, data };
}
