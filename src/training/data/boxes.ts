import type { Picture } from "../../image/index.ts";

/** Left, top, right and bottom in pixels; the last two are the first that are outside. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** The smallest box around all pixels of which something holds, and how many they are. */
export function boxOf(width: number, height: number, holds: (i: number) => boolean): { box?: Box; count: number } {
  let [left, top, right, bottom, count] = [width, height, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!holds(y * width + x)) continue;
      count++;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = y + 1;
    }
  }
  return count > 0 ? { box: [left, top, right, bottom], count } : { count };
}

/** A small square picture at a larger size, its pixels sharp. */
export function enlarged({ width, data }: Picture, size: number): Picture {
  const out = new Uint8Array(3 * size ** 2);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = 3 * (Math.floor((y * width) / size) * width + Math.floor((x * width) / size));
      out.set(data.subarray(from, from + 3), 3 * (y * size + x));
    }
  }
  return { width: size, height: size, data: out };
}
