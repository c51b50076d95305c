import type { Picture } from "../../image/index.ts";
import { coverage, type Form, forms } from "./shape-forms.ts";
import { type Rgb, type ShapeBackground, type ShapeColor, shapeBackgrounds, shapeColors } from "./shapes.ts";

/** What rules on pixels find in a picture; undefined where they find nothing of the kind. */
export interface ShapeVerdict {
  readonly color?: ShapeColor;
  readonly shape?: Form;
  readonly background?: ShapeBackground;
}

/** How far apart the colours of a shape and of what is behind it are at least, in 8-bit values. */
const CONTRAST = 60;
/** How far a colour may be from the one that it is called by. */
const NEAR = 90;
/** How far a pixel may be from every mixture of the two colours, by their distance from each other … */
const STRAY = 0.35;
/** … and how many may be further, by those that are ink. */
const STRAYS = 0.3;
/** A shape's share of the picture, at least and at most. */
const SHARE = [0.03, 0.6] as const;
/** What a shape has in common with the perfect one of its kind at least: the sum of the lesser by that of the greater. */
const OVERLAP = 0.66;

/**
 * Which colour and which shape a square picture shows, by rules on its pixels alone. Two colours are looked for: that of
 * the edge, and that of what differs most from it. How much of the second is in each pixel is compared with each perfect
 * shape of the same area around the same centre of mass. What is no plain shape on a plain background gets no name: a
 * picture of more than two colours, a patch that is like none of the shapes.
 *
 * @throws RangeError for a picture that is not square
 */
export function judgeShape(picture: Picture): ShapeVerdict {
  const { width: size } = picture;
  if (size !== picture.height) throw new RangeError(`A picture of ${size}×${picture.height} is not square.`);
  const pixels = smoothed(picture);
  const paper = medianOf(pixels.filter((_, i) => isEdge(i, size)));
  const background = nameOf(paper, shapeBackgrounds);
  const apart = pixels.map((pixel) => distance(pixel, paper));
  const far = apart.toSorted((a, b) => b - a)[Math.floor((SHARE[0] / 2) * apart.length)]!;
  if (far < CONTRAST) return { background };
  const ink = medianOf(pixels.filter((_, i) => apart[i]! > 0.8 * far));
  const shares = pixels.map((pixel) => shareOf(pixel, paper, ink));
  const limit = STRAY * distance(ink, paper);
  const strays = pixels.filter((pixel, i) => distance(pixel, mixed(paper, ink, shares[i]!)) > limit);
  if (strays.length > STRAYS * sum(shares)) return { background };
  return { background, color: nameOf(ink, shapeColors), shape: shapeOf(shares, size) };
}

/** The shape that shares of ink, pixel by pixel, are most like. */
function shapeOf(shares: readonly number[], size: number): Form | undefined {
  const area = sum(shares);
  if (area < SHARE[0] * size ** 2 || area > SHARE[1] * size ** 2) return undefined;
  const x = sum(shares.map((share, i) => share * ((i % size) + 0.5))) / area;
  const y = sum(shares.map((share, i) => share * (Math.floor(i / size) + 0.5))) / area;
  let best: { form: Form; overlap: number } | undefined;
  for (const form of Object.keys(forms) as Form[]) {
    const own = massOf(form);
    const reach = Math.sqrt(area / own.area);
    const perfect = coverage(form, { x: x - own.x * reach, y: y - own.y * reach, reach }, size);
    const common = shares.map((share, i) => Math.min(share, perfect[i]!));
    const either = shares.map((share, i) => Math.max(share, perfect[i]!));
    const overlap = sum(common) / sum(either);
    if (overlap > (best?.overlap ?? OVERLAP)) best = { form, overlap };
  }
  return best?.form;
}

/** Area and centre of mass of a shape that reaches 1. */
function massOf(form: Form): { area: number; x: number; y: number } {
  const side = 32;
  const covered = coverage(form, { x: side / 2, y: side / 2, reach: side / 2 }, side);
  const area = sum(covered);
  const mean = (at: (i: number) => number): number => sum(covered.map((part, i) => part * at(i))) / area;
  const unit = (pixels: number): number => (pixels + 0.5) / (side / 2) - 1;
  return {
    area: area / (side / 2) ** 2,
    x: mean((i) => unit(i % side)),
    y: mean((i) => unit(Math.floor(i / side))),
  };
}

/** Each pixel the mean of its 3×3 neighbourhood: noise is not to be taken for colour. */
function smoothed({ width, height, data }: Picture): Rgb[] {
  return Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const total = [0, 0, 0];
    for (const v of [y - 1, y, y + 1]) {
      for (const u of [x - 1, x, x + 1]) {
        const from = 3 * (clamp(v, height) * width + clamp(u, width));
        for (let c = 0; c < 3; c++) total[c]! += data[from + c]! / 9;
      }
    }
    return [total[0]!, total[1]!, total[2]!];
  });
}

const clamp = (x: number, length: number): number => Math.min(length - 1, Math.max(0, x));

const isEdge = (i: number, size: number): boolean =>
  Math.min(i % size, Math.floor(i / size), size - 1 - (i % size), size - 1 - Math.floor(i / size)) < size / 32;

function medianOf(pixels: readonly Rgb[]): Rgb {
  const middle = (c: 0 | 1 | 2): number => pixels.map((pixel) => pixel[c]).sort((a, b) => a - b)[pixels.length >> 1]!;
  return [middle(0), middle(1), middle(2)];
}

const distance = (a: Rgb, b: Rgb): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/** How much ink is in a pixel, 0–1; what is nearly none or nearly all is taken for that, as noise is nowhere a shape. */
function shareOf(pixel: Rgb, paper: Rgb, ink: Rgb): number {
  const along = pixel.map((value, c) => (value - paper[c]!) * (ink[c]! - paper[c]!));
  const share = sum(along) / distance(ink, paper) ** 2;
  return Math.min(1, Math.max(0, (share - 0.2) / 0.6));
}

function mixed(paper: Rgb, ink: Rgb, share: number): Rgb {
  const mix = (c: 0 | 1 | 2): number => paper[c] + share * (ink[c] - paper[c]);
  return [mix(0), mix(1), mix(2)];
}

/** The nearest of all colours that have a name here, if it is one of `wanted`. */
function nameOf<Name extends string>(color: Rgb, wanted: Readonly<Record<Name, Rgb>>): Name | undefined {
  const all = Object.entries<Rgb>({ ...shapeColors, ...shapeBackgrounds });
  const [name, nearest] = all.reduce((a, b) => (distance(color, a[1]) <= distance(color, b[1]) ? a : b));
  return name in wanted && distance(color, nearest) <= NEAR ? (name as Name) : undefined;
}

const sum = (numbers: Iterable<number>): number => {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
};
