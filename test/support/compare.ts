/** Comparisons of numbers whose failures say how far off, where, and what was allowed. */
import { expect } from "vitest";
import { type Tensor, toFloat32 } from "../../src/tensor/index.ts";

export interface CloseOptions {
  /** What is compared, for the message. */
  name?: string;
  /** What one unit of tolerance is: 1 (absolute, the default), the std of `want`, or the largest |want|. */
  per?: "one" | "std" | "max";
}

export type Numbers = ArrayLike<number> | Tensor;

/**
 * Expects |got[i] − want[i]| ≤ tolerance · unit for every i (see {@link CloseOptions.per}). Shapes must agree where both
 * are tensors. NaN equals NaN and an infinity only itself; an empty `want` fails, since it would prove nothing.
 */
export function expectClose(got: Numbers, want: Numbers, tolerance: number, options: CloseOptions = {}): void {
  const { name = "values", per = "one" } = options;
  if (isTensor(got) && isTensor(want)) expect([...got.shape], `${name}: shape`).toEqual([...want.shape]);
  const a = numbersOf(got);
  const b = numbersOf(want);
  expect(b.length, `${name}: nothing to compare with`).toBeGreaterThan(0);
  expect(a.length, `${name}: number of elements`).toBe(b.length);
  const unit = per === "std" ? std(b) : per === "max" ? maxAbs(b) : 1;
  const { worst, at } = maxDifference(a, b);
  if (worst <= tolerance * unit) return;
  const index = isTensor(want) ? `[${unravel(at, want.shape)}]` : `${at}`;
  const allowed = per === "one" ? `${tolerance}` : `${tolerance} · ${per} ${unit} = ${tolerance * unit}`;
  expect.fail(`${name}: max |got − want| = ${worst} at ${index} (got ${a[at]}, want ${b[at]}); allowed ${allowed}`);
}

/** As {@link expectClose}, in units of the standard deviation of `want`. */
export function expectCloseStd(got: Numbers, want: Numbers, tolerance: number, name?: string): void {
  expectClose(got, want, tolerance, { name, per: "std" });
}

/** As {@link expectClose}, in units of the largest |want|. */
export function expectCloseMax(got: Numbers, want: Numbers, tolerance: number, name?: string): void {
  expectClose(got, want, tolerance, { name, per: "max" });
}

/** The largest |a − b| and the first place where it stands; a NaN facing a number counts as infinite. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): { worst: number; at: number } {
  let worst = 0;
  let at = 0;
  for (let i = 0; i < b.length; i++) {
    if (Object.is(a[i], b[i])) continue;
    const difference = Math.abs(a[i]! - b[i]!);
    const distance = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
    if (distance > worst) {
      worst = distance;
      at = i;
    }
  }
  return { worst, at };
}

/** Standard deviation over all elements (divided by n). */
export function std(values: ArrayLike<number>): number {
  const n = values.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += values[i]! / n;
  let variance = 0;
  for (let i = 0; i < n; i++) variance += (values[i]! - mean) ** 2 / n;
  return Math.sqrt(variance);
}

export function maxAbs(values: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]!));
  return largest;
}

function isTensor(x: Numbers): x is Tensor {
  return "dtype" in x;
}

function numbersOf(x: Numbers): ArrayLike<number> {
  if (!isTensor(x)) return x;
  return x.dtype === "float64" ? (x.data as Float64Array) : toFloat32(x);
}

function unravel(index: number, shape: readonly number[]): number[] {
  const place: number[] = [];
  for (let rest = index, d = shape.length - 1; d >= 0; d--) {
    place.unshift(rest % shape[d]!);
    rest = Math.floor(rest / shape[d]!);
  }
  return place;
}
