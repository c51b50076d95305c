import type { Picture } from "../../../../src/image/picture.ts";
import type { Floats } from "./numbers.ts";

/** The pixels of an image that a browser can show. */
export async function pictureFrom(url: string): Promise<Picture> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const { naturalWidth: width, naturalHeight: height } = image;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return {
    width,
    height,
    data: Uint8Array.from({ length: 3 * width * height }, (_, i) => data[i + Math.floor(i / 3)]!),
  };
}

/** One channel: below zero blue, above it orange, white at `most` either way. Black is zero. */
export function channelPicture({ shape, data }: Floats, channel: number, most: number): Picture {
  const [, , height, width] = shape as [number, number, number, number];
  const out = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++) {
    const value = Math.max(-1, Math.min(1, data[channel * width * height + i]! / most));
    const [strong, middle, weak] = [
      255 * Math.min(1, 1.6 * Math.abs(value)),
      190 * Math.abs(value),
      110 * value * value,
    ];
    out.set(value > 0 ? [strong, middle, weak] : [weak, middle, strong], 3 * i);
  }
  return { width, height, data: out };
}

/** A guess at the picture, a pixel a place: red, green and blue as a linear function of the channels. */
export function roughPicture({ shape, data }: Floats, factors: readonly (readonly number[])[]): Picture {
  const [, channels, height, width] = shape as [number, number, number, number];
  const area = width * height;
  const out = new Uint8ClampedArray(3 * area);
  for (let i = 0; i < 3 * area; i++) {
    let value = factors[channels]![i % 3]!;
    for (let c = 0; c < channels; c++) value += data[c * area + Math.floor(i / 3)]! * factors[c]![i % 3]!;
    out[i] = (value / 2 + 0.5) * 255;
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}

/** The largest of all numbers, whatever their sign. */
export const mostOf = (...all: readonly Floats[]): number =>
  Math.max(1e-6, ...all.map(({ data }) => data.reduce((most, x) => Math.max(most, Math.abs(x)), 0)));

/** A picture as a browser shows it: a PNG as a data URL. */
export function urlOf({ width, height, data }: Picture): string {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = data[3 * i + c]!;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}
