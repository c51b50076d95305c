import { InputError, inTurns, type Tensor } from "../tensor/index.ts";

/** 8-bit RGB, rows from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** width · height · 3 bytes. */
  readonly data: Uint8Array;
}

/**
 * The picture in a decoder's pixels: each value cut to 0–1, times 255 in float32, rounded half to even, as NumPy's
 * `(x * 255).round()` does. Large pictures are done in several turns of the event loop.
 *
 * @param pixels [1, 3, H, W]; of a larger batch, `index` says which
 * @throws InputError when a value is not a finite number: broken weights must never end as a black picture
 * @throws RangeError when the shape is another one
 */
export async function pictureFromPixels(pixels: Tensor<"float32">, index = 0): Promise<Picture> {
  const [batch, channels, height, width] = pixels.shape;
  if (pixels.shape.length !== 4 || channels !== 3 || !height || !width || !(index < batch!)) {
    throw new RangeError(`Picture ${index} of pixels [${pixels.shape}]: a shape [N, 3, H, W] was expected.`);
  }
  const plane = width * height;
  const values = pixels.data.subarray(index * 3 * plane, (index + 1) * 3 * plane);
  // A clamped array cuts and rounds half to even by itself.
  const data = new Uint8ClampedArray(3 * plane);
  await inTurns(values.length, (from, to) => {
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value)) {
        throw new InputError(
          `The decoder returned ${value} for a pixel instead of a number from 0 to 1. The weights may be damaged.`,
        );
      }
      data[3 * (i % plane) + Math.floor(i / plane)] = Math.fround(value * 255);
    }
  });
  return { width, height, data: new Uint8Array(data.buffer) };
}

/**
 * `picture` shrunk or grown to width × height: each new pixel is the mean of the pixels it covers, or the nearest one
 * where it covers less than one. Good enough for previews.
 */
export function resizePicture(picture: Picture, width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  const range = (i: number, from: number, to: number): [number, number] => {
    const start = Math.floor((i * from) / to);
    return [start, Math.max(start + 1, Math.floor(((i + 1) * from) / to))];
  };
  for (let y = 0; y < height; y++) {
    const [top, bottom] = range(y, picture.height, height);
    for (let x = 0; x < width; x++) {
      const [left, right] = range(x, picture.width, width);
      const sum = [0, 0, 0];
      for (let v = top; v < bottom; v++) {
        for (let u = left; u < right; u++) {
          for (let c = 0; c < 3; c++) sum[c]! += picture.data[3 * (v * picture.width + u) + c]!;
        }
      }
      const count = (bottom - top) * (right - left);
      for (let c = 0; c < 3; c++) data[3 * (y * width + x) + c] = Math.round(sum[c]! / count);
    }
  }
  return { width, height, data };
}
