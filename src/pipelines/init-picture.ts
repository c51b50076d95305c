// Not from the room's index, which reads files: this one also runs in a page.
import type { Picture } from "../image/picture.ts";
import { resample } from "../image/resample.ts";
import { float32, InputError, type Tensor } from "../tensor/index.ts";
import type { InitPicture } from "./beginning.ts";
import { limits } from "./limits.ts";
import type { Size } from "./settings.ts";

/** What of the settings says where a picture starts from. */
export interface Start {
  readonly image: Picture;
  readonly mask?: Picture;
  /** Pixels over which the new fades in inside the mask's edge. */
  readonly maskBlur: number;
  /** Whether the picture is put back, pixel by pixel, where the mask is closed. */
  readonly keepUnmasked: boolean;
}

/**
 * The size to draw a picture again in: its own aspect ratio, sides in multiples of `multiple`. The shorter side is that of
 * a square with the model's usual `area`, since a model draws things as large as it has seen them; a long strip has twice
 * the area.
 */
export function fittedSize({ width, height }: Size, area: number, multiple: number): Size {
  const scale = Math.min(Math.sqrt(area) / Math.min(width, height), Math.sqrt((2 * area) / (width * height)));
  const most = Math.floor(limits.side[1] / multiple);
  const fitted = (pixels: number) => Math.min(most, Math.max(8, Math.round((pixels * scale) / multiple))) * multiple;
  return { width: fitted(width), height: fitted(height) };
}

/**
 * The picture and its mask at the size that is drawn, as diffusers' VaeImageProcessor prepares them with resize_mode
 * "crop": Lanczos, scaled to cover, cut around the middle; at that very size the pixels stay as they are. A mask of another
 * size is first stretched over the picture. The mask is grey (ITU-R BT.601) and open from a half on.
 *
 * @throws InputError when the mask is nowhere open
 */
export async function initPicture({ image, mask, maskBlur, keepUnmasked }: Start, size: Size): Promise<InitPicture> {
  const picture = planes(await covering(image, size));
  if (!mask) return { picture };
  const open = opened(await covering(mask, size, image));
  if (!open.data.includes(1)) {
    throw new InputError("The mask is black everywhere, so nothing would be drawn anew: paint white what may change.");
  }
  return { picture, mask: open, ...(keepUnmasked && { shown: fadingIn(open, maskBlur) }) };
}

/** `picture`, taken for one of the size of `as`, scaled to cover `size` and cut. */
async function covering(picture: Picture, { width, height }: Size, as: Size = picture): Promise<Picture> {
  // diffusers' own whole-number arithmetic: a pixel more or less would move everything.
  const wider = width * as.height > as.width * height;
  const across = wider ? width : Math.floor((as.width * height) / as.height);
  const down = wider ? Math.floor((as.height * width) / as.width) : height;
  const scaled = await resample(picture, across, down, "lanczos");
  return cut(scaled, { width, height });
}

function cut(picture: Picture, { width, height }: Size): Picture {
  const left = Math.floor(picture.width / 2) - Math.floor(width / 2);
  const top = Math.floor(picture.height / 2) - Math.floor(height / 2);
  if (picture.width === width && picture.height === height) return picture;
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * picture.width + left);
    data.set(picture.data.subarray(from, from + 3 * width), 3 * y * width);
  }
  return { width, height, data };
}

/** [1, 3, H, W] in 0–1 */
function planes({ width, height, data }: Picture): Tensor<"float32"> {
  const area = width * height;
  return float32(
    [1, 3, height, width],
    Float32Array.from(data, (_, i) => data[3 * (i % area) + Math.floor(i / area)]! / 255),
  );
}

/** [1, 1, H, W]: 1 where the mask is open, else 0. */
function opened({ width, height, data }: Picture): Tensor<"float32"> {
  const values = Float32Array.from({ length: width * height }, (_, i) => {
    // Pillow's grey.
    const grey = (19595 * data[3 * i]! + 38470 * data[3 * i + 1]! + 7471 * data[3 * i + 2]! + 0x8000) >> 16;
    return grey / 255 >= 0.5 ? 1 : 0;
  });
  return float32([1, 1, height, width], values);
}

/**
 * How much of the drawing is seen: nothing where the mask is closed; inside, from its edge on, more with every pixel until
 * after `blur` of them all of it is. The picture's own border is no edge.
 */
function fadingIn(mask: Tensor<"float32">, blur: number): Tensor<"float32"> {
  const [, , height, width] = mask.shape as [number, number, number, number];
  const shown = distances(mask.data, width, height);
  for (let i = 0; i < shown.length; i++) shown[i] = Math.min(1, shown[i]! / (blur + 1));
  return float32(mask.shape, shown);
}

/** Of every open pixel to the nearest closed one, a diagonal step being √2 (Rosenfeld & Pfaltz 1966, in two passes). */
function distances(open: Float32Array, width: number, height: number): Float32Array {
  const far = width + height;
  const out = open.map((value) => value * far);
  const visit = (x: number, y: number, sign: 1 | -1) => {
    const i = y * width + x;
    const near = (dx: number, dy: number, step: number) => {
      if (x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) return;
      out[i] = Math.min(out[i]!, out[i + dy * width + dx]! + step);
    };
    near(-sign, 0, 1);
    near(0, -sign, 1);
    near(-sign, -sign, Math.SQRT2);
    near(sign, -sign, Math.SQRT2);
  };
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) visit(x, y, 1);
  for (let y = height - 1; y >= 0; y--) for (let x = width - 1; x >= 0; x--) visit(x, y, -1);
  return out;
}
