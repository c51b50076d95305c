import {
  type CommonRecipe,
  type Dataset,
  type Example,
  fitted,
  isSkipped,
  openDataset,
  shapes,
} from "../../training/index.ts";

/** Drawings of shapes, of which nobody needs more: each is another one. */
const SHAPES = 100_000;

interface Wanted {
  readonly data: NonNullable<CommonRecipe["data"]>;
  /** Of pictures of which nothing is said. Without it they are left out. */
  readonly caption?: string;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * What a recipe learns from, every picture of one size.
 *
 * @throws InputError where nothing can be read there
 */
export async function openData(
  { flip, ...wanted }: Wanted & { readonly flip: boolean },
  size: Size,
  signal: AbortSignal,
): Promise<Dataset> {
  return fitted(await openPictures(wanted, size.width, signal), { ...size, flip });
}

/**
 * The same, every picture as it is.
 *
 * @param side of what is drawn
 * @throws InputError where nothing can be read there
 */
export async function openPictures({ data, caption }: Wanted, side: number, signal: AbortSignal): Promise<Dataset> {
  if (typeof data === "string") return openDataset(data, { size: side, caption, signal });
  if ("drawings" in data) return openDataset("drawings", { size: side, signal, ...data.drawings });
  return shapes({ count: SHAPES, size: side, ...data.shapes });
}

/** A recipe's size: pixels of both sides, or width and height. */
export function sidesOf(size: number | readonly [number, number]): Size {
  const [width, height] = typeof size === "number" ? [size, size] : size;
  return { width, height };
}

/** Different captions from the beginning of the data. */
export async function captionsOf(data: Dataset, count: number): Promise<string[]> {
  const captions = new Set<string>();
  for await (const { caption } of beginning(data, 10 * count)) {
    if (captions.add(caption).size === count) break;
  }
  return [...captions];
}

/** The first examples of the data that can be used. */
export async function examplesOf(data: Dataset, count: number): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const example of beginning(data, 10 * count)) {
    if (examples.push(example) === count) break;
  }
  return examples;
}

/** Examples from the beginning of the data, without what cannot be used. */
async function* beginning(data: Dataset, places: number): AsyncGenerator<Example> {
  for (let i = 0; i < Math.min(data.length, places); i++) {
    const example = await data.at(i);
    if (!isSkipped(example)) yield example;
  }
}
