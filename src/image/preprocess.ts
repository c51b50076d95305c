import { float32, InputError, type Tensor } from "../tensor/index.ts";
import type { Picture } from "./picture.ts";
import { resample } from "./resample.ts";

/** How pictures become a network's input, in this order; a step that is undefined is left out. */
export interface Preprocessing {
  /** Pixels of the shortest edge, or of both. */
  readonly resize: number | Size | undefined;
  readonly crop: Size | undefined;
  /** What an 8-bit value is multiplied by. */
  readonly factor: number;
  /** Red, green, blue: what is taken away then, and what the rest is divided by. */
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * Pictures as CLIP sees them: resized (bicubic, in 8 bits), their middles cut out, normalised. Equal to transformers'
 * CLIPImageProcessor. A large picture takes a while, in turns of the event loop.
 *
 * @returns [B, 3, H, W]
 * @throws RangeError where pictures come out at different sizes
 */
export async function preprocess(pictures: readonly Picture[], how: Preprocessing): Promise<Tensor<"float32">> {
  const prepared: Picture[] = [];
  for (const picture of pictures) prepared.push(await cut(picture, how));
  const { width, height } = prepared[0]!;
  const plane = width * height;
  const tables = how.mean.map((mean, c) =>
    Float32Array.from({ length: 256 }, (_, value) => (value * how.factor - mean) / how.deviation[c]!),
  );
  const out = new Float32Array(prepared.length * 3 * plane);
  for (const [i, { data, ...size }] of prepared.entries()) {
    if (size.width !== width || size.height !== height) {
      throw new RangeError(`Pictures of one batch came to ${width}×${height} and ${size.width}×${size.height}.`);
    }
    for (let c = 0; c < 3; c++) {
      const first = (3 * i + c) * plane;
      for (let p = 0; p < plane; p++) out[first + p] = tables[c]![data[3 * p + c]!]!;
    }
  }
  return float32([prepared.length, 3, height, width], out);
}

/** Pixels of a resized picture before its middle is cut out: a side may be thousands of times as long as the other. */
const MAX_RESIZED = 2 ** 24;

/**
 * The picture at the size that the network wants, still in 8 bits.
 *
 * @throws InputError for a picture whose sides differ too much
 */
export async function cut(
  picture: Picture,
  { resize, crop }: Pick<Preprocessing, "resize" | "crop">,
): Promise<Picture> {
  const size = typeof resize === "number" ? shortestEdge(picture, resize) : (resize ?? picture);
  if (size.width * size.height > MAX_RESIZED) {
    throw new InputError(`A picture of ${picture.width}×${picture.height} is too narrow to be looked at.`);
  }
  const resized = await resample(picture, size.width, size.height, "bicubic");
  return crop ? centreCrop(resized, crop) : resized;
}

/** The size with a shortest edge of `edge` pixels; the other one is rounded down. */
function shortestEdge({ width, height }: Size, edge: number): Size {
  return width <= height
    ? { width: edge, height: Math.floor((edge * height) / width) }
    : { width: Math.floor((edge * width) / height), height: edge };
}

/** The middle of a picture; black where it is smaller. Of an odd rest the larger half is at right and bottom. */
function centreCrop(picture: Picture, { width, height }: Size): Picture {
  const [left, top] = [Math.floor((picture.width - width) / 2), Math.floor((picture.height - height) / 2)];
  const data = new Uint8Array(3 * width * height);
  for (let y = Math.max(0, -top); y < Math.min(height, picture.height - top); y++) {
    const from = Math.max(0, left);
    const to = Math.min(picture.width, left + width);
    const row = 3 * (y + top) * picture.width;
    data.set(picture.data.subarray(row + 3 * from, row + 3 * to), 3 * (y * width + from - left));
  }
  return { width, height, data };
}
