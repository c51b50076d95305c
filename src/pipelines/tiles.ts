import { float32, type Tensor, zeros } from "../tensor/index.ts";

/** In places of the latent. */
interface Size {
  readonly height: number;
  readonly width: number;
}

/** Places of a tile's side, and how many of them a tile shares with its neighbour. */
const TILE = 64;
const OVERLAP = 16;

/** The size of every tile of latents of this size. */
export function tileOf({ height, width }: Size): Size {
  return { height: Math.min(TILE, height), width: Math.min(TILE, width) };
}

/**
 * Decodes latents [1, 4, H, W] in square tiles whose edges fade into each other, so that memory stays that of one tile.
 * Every tile has the same size (the last ones lie closer), so one session serves them all. The seams are not exact:
 * the decoder's normalisations see a tile instead of the whole.
 */
export async function decodeInTiles(
  latents: Tensor<"float32">,
  decode: (tile: Tensor<"float32">) => Promise<Tensor<"float32">>,
): Promise<Tensor<"float32">> {
  const [, channels, height, width] = latents.shape as [number, number, number, number];
  const { height: tileHeight, width: tileWidth } = tileOf({ height, width });
  let image: Tensor<"float32"> | undefined;
  let weight: Float32Array | undefined;
  for (const top of starts(height, tileHeight)) {
    for (const left of starts(width, tileWidth)) {
      const tile = await decode(crop(latents, channels, top, left, tileHeight, tileWidth));
      const scale = tile.shape[2]! / tileHeight;
      image ??= zeros("float32", [1, tile.shape[1]!, height * scale, width * scale]);
      weight ??= new Float32Array(height * scale * width * scale);
      addTile(image, weight, tile, top * scale, left * scale, OVERLAP * scale);
    }
  }
  const area = weight!.length;
  const pixels = image!.data;
  for (let i = 0; i < pixels.length; i++) pixels[i] = pixels[i]! / weight![i % area]!;
  return image!;
}

/** Where tiles begin: evenly, overlapping by at least OVERLAP, the last one ending at the border. */
function starts(length: number, tile: number): number[] {
  const count = length <= tile ? 1 : Math.ceil((length - OVERLAP) / (tile - OVERLAP));
  return Array.from({ length: count }, (_, i) => (count === 1 ? 0 : Math.round((i * (length - tile)) / (count - 1))));
}

function crop(
  t: Tensor<"float32">,
  channels: number,
  top: number,
  left: number,
  height: number,
  width: number,
): Tensor<"float32"> {
  const [rows, columns] = [t.shape[2]!, t.shape[3]!];
  const out = new Float32Array(channels * height * width);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const from = (c * rows + top + y) * columns + left;
      out.set(t.data.subarray(from, from + width), (c * height + y) * width);
    }
  }
  return float32([1, channels, height, width], out);
}

/** Adds a tile weighted by a ramp that rises from its edges, so that neighbours blend where they overlap. */
function addTile(
  image: Tensor<"float32">,
  weight: Float32Array,
  tile: Tensor<"float32">,
  top: number,
  left: number,
  ramp: number,
): void {
  const [, channels, height, width] = tile.shape as [number, number, number, number];
  const [rows, columns] = [image.shape[2]!, image.shape[3]!];
  const rise = (i: number, length: number) => Math.min(1, (Math.min(i, length - 1 - i) + 1) / ramp);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const w = rise(y, height) * rise(x, width);
      const at = (top + y) * columns + left + x;
      weight[at] = weight[at]! + w;
      for (let c = 0; c < channels; c++) {
        const i = c * rows * columns + at;
        image.data[i] = image.data[i]! + w * tile.data[(c * height + y) * width + x]!;
      }
    }
  }
}
