import { nextTurn } from "../tensor/index.ts";
import type { Picture } from "./picture.ts";

/** What a pixel counts at a distance, and how far that reaches, in pixels of the coarser size. */
interface Kernel {
  readonly reach: number;
  weight(x: number): number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kernels = {
  /** Keys 1981 with a = −1/2. */
  bicubic: {
    reach: 2,
    weight: (x) => {
      const d = Math.abs(x);
      if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
    },
  },
  /** Lanczos 1956, three lobes. */
  lanczos: { reach: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies Record<string, Kernel>;

/** Fractional bits of the weights. */
const BITS = 22;
const ONE = 2 ** BITS;
const HALF = 2 ** (BITS - 1);

/**
 * `picture` at another size, byte for byte as Pillow's `resize` makes it (what diffusers and transformers prepare pictures
 * with): first one side, then the other, each rounded to 8 bits. Where a side shrinks the kernel grows with it, so that no
 * pixel is skipped; where it stays, nothing is touched.
 */
export async function resample(
  { width: oldWidth, height: oldHeight, data }: Picture,
  width: number,
  height: number,
  kernel: keyof typeof kernels,
): Promise<Picture> {
  const across = (x: Uint8Array, rows: number) =>
    along(x, { outer: rows, from: oldWidth, to: width, inner: 3 }, kernels[kernel]);
  const down = (x: Uint8Array, columns: number) =>
    along(x, { outer: 1, from: oldHeight, to: height, inner: 3 * columns }, kernels[kernel]);
  // Since its version 13 Pillow begins with the height where that loses more than twice as many pixels as the width.
  const downFirst = oldHeight > height && oldHeight - height > 2 * (oldWidth - width);
  const both = downFirst
    ? await across(await down(data, oldWidth), height)
    : await down(await across(data, oldHeight), width);
  return { width, height, data: both };
}

interface Axis {
  /** Numbers lie as [outer, from, inner], and will as [outer, to, inner]. */
  readonly outer: number;
  readonly from: number;
  readonly to: number;
  readonly inner: number;
}

/** Multiplications that take some milliseconds. */
const PER_TURN = 2 ** 22;

async function along(data: Uint8Array, { outer, from, to, inner }: Axis, kernel: Kernel): Promise<Uint8Array> {
  if (from === to) return data;
  const places = windows(from, to, kernel);
  const out = new Uint8ClampedArray(outer * to * inner);
  let work = 0;
  for (let n = 0; n < outer * to; n++) {
    const { start, weights } = places[n % to]!;
    const first = (Math.floor(n / to) * from + start) * inner;
    for (let c = 0; c < inner; c++) {
      let sum = HALF;
      for (let k = 0; k < weights.length; k++) sum += weights[k]! * data[first + k * inner + c]!;
      out[n * inner + c] = sum >> BITS;
    }
    work += inner * weights.length;
    if (work < PER_TURN) continue;
    await nextTurn();
    work = 0;
  }
  return new Uint8Array(out.buffer);
}

/** For each new place: where its old ones begin, and what each of them counts, in fixed point. */
function windows(from: number, to: number, { reach, weight }: Kernel): { start: number; weights: Int32Array }[] {
  const scale = from / to;
  const spread = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach * spread + 0.5));
    const end = Math.min(from, Math.trunc(center + reach * spread + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, k) => weight((start + k - center + 0.5) / spread));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { start, weights: Int32Array.from(weights, (w) => Math.trunc((w / sum) * ONE + Math.sign(w) / 2)) };
  });
}
