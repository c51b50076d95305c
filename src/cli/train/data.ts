import { type Dataset, fitted, isSkipped, openDataset, shapes } from "../../training/index.ts";
import type { WholeRecipe } from "./recipe.ts";

/** Drawings of shapes, of which nobody needs more: each is another one. */
const SHAPES = 100_000;

/**
 * What a recipe learns from, every picture of one size.
 *
 * @throws InputError where nothing can be read there
 */
export async function openData(
  { data, flip }: WholeRecipe,
  size: { readonly width: number; readonly height: number },
  signal: AbortSignal,
): Promise<Dataset> {
  return fitted(await open(data, size.width, signal), { ...size, flip });
}

function open(data: WholeRecipe["data"], side: number, signal: AbortSignal): Promise<Dataset> | Dataset {
  if (typeof data !== "string") return shapes({ count: SHAPES, size: side, ...data.shapes });
  return openDataset(data, { size: side, signal });
}

/** Different captions from the beginning of the data. */
export async function captionsOf(data: Dataset, count: number): Promise<string[]> {
  const captions = new Set<string>();
  for (let i = 0; i < Math.min(data.length, 10 * count) && captions.size < count; i++) {
    const example = await data.at(i);
    if (!isSkipped(example)) captions.add(example.caption);
  }
  return [...captions];
}
