/** One number for each place, rows from the top. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

export interface PlaneSize {
  readonly width: number;
  readonly height: number;
}

/** Of planes of one size, place by place. */
export function meanOf(planes: readonly Plane[]): Plane {
  const [{ width, height }] = planes as [Plane, ...Plane[]];
  const data = new Float32Array(width * height);
  for (const plane of planes) for (let i = 0; i < data.length; i++) data[i]! += plane.data[i]! / planes.length;
  return { width, height, data };
}

/** The place of the largest number, the first of several. */
export function peakOf({ width, data }: Plane): { readonly x: number; readonly y: number } {
  let best = 0;
  for (let i = 1; i < data.length; i++) if (data[i]! > data[best]!) best = i;
  return { x: best % width, y: Math.floor(best / width) };
}

/**
 * A plane at a larger size by cubic convolution (Keys 1981) with a = −3/4, the border's places repeated beyond it: as torch's
 * `interpolate(mode="bicubic")` gives it.
 */
export function enlarged({ width, height, data }: Plane, size: PlaneSize): Plane {
  if (width === size.width && height === size.height) return { width, height, data };
  const across = along(data, { outer: height, from: width, to: size.width, inner: 1 });
  return { ...size, data: along(across, { outer: 1, from: height, to: size.height, inner: size.width }) };
}

interface Axis {
  /** Numbers lie as [outer, from, inner], and will as [outer, to, inner]. */
  readonly outer: number;
  readonly from: number;
  readonly to: number;
  readonly inner: number;
}

function along(data: Float32Array, { outer, from, to, inner }: Axis): Float32Array {
  const out = new Float32Array(outer * to * inner);
  for (let place = 0; place < to; place++) {
    const center = ((place + 0.5) * from) / to - 0.5;
    const first = Math.floor(center) - 1;
    for (let tap = first; tap < first + 4; tap++) {
      const weight = keys(center - tap);
      const source = Math.min(from - 1, Math.max(0, tap));
      for (let o = 0; o < outer; o++) {
        const [read, write] = [(o * from + source) * inner, (o * to + place) * inner];
        for (let i = 0; i < inner; i++) out[write + i]! += weight * data[read + i]!;
      }
    }
  }
  return out;
}

function keys(x: number): number {
  const [a, d] = [-0.75, Math.abs(x)];
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}
