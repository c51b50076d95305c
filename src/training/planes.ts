import type { Picture } from "../image/index.ts";

/** Pixels of pictures of one size, plane by plane, in −1…1. */
export function planes(pictures: readonly Picture[]): Float32Array {
  const { width, height } = pictures[0]!;
  const area = width * height;
  const values = new Float32Array(3 * area * pictures.length);
  for (const [n, { data }] of pictures.entries()) {
    for (let i = 0; i < data.length; i++) {
      values[(3 * n + (i % 3)) * area + Math.floor(i / 3)] = data[i]! / 127.5 - 1;
    }
  }
  return values;
}
