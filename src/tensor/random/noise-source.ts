import { type ArrayOf, allocate } from "../dtype.ts";
import { float32ToBfloat16, float32ToFloat16 } from "../half.ts";
import { sizeOf } from "../tensor.ts";

/** A number of elements, or the dimensions whose product it is. */
export type Shape = number | readonly number[];

/** The element types that normal and uniform numbers are drawn in. */
export type FloatDType = "float32" | "float64" | "float16" | "bfloat16";

/** Where a pipeline or a training loop gets its Gaussian noise from. Every draw moves the source on. */
export interface NoiseSource {
  /** As many standard normal numbers as `shape` has elements, in row-major order. */
  randn(shape: Shape): Float32Array;
}

/** The number of elements of `shape`; a RangeError when it is not a whole number of them. */
export function countOf(shape: Shape): number {
  const n = typeof shape === "number" ? shape : sizeOf(shape);
  if (Number.isSafeInteger(n) && n >= 0) return n;
  throw new RangeError(`Cannot draw ${n} random numbers (shape ${JSON.stringify(shape)}): give whole dimensions ≥ 0.`);
}

/**
 * A seed as the 64 bits torch stores: any integer from −2⁶³ to 2⁶⁴ − 1, negative ones wrapping around.
 * A seed beyond 2⁵³ must come as a bigint, since a number has already lost its last digits there.
 */
export function seedBits(seed: number | bigint): bigint {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new RangeError(`The seed ${seed} is not a safe integer: give a whole number, as a bigint beyond 2^53.`);
  }
  const wide = BigInt(seed);
  if (wide < -(2n ** 63n) || wide >= 2n ** 64n) {
    throw new RangeError(`The seed ${seed} is out of range: give an integer from -2^63 to 2^64 - 1.`);
  }
  return BigInt.asUintN(64, wide);
}

/** float32 values in `dtype`, rounded to nearest even. */
export function castFloat32<D extends FloatDType>(values: Float32Array, dtype: D): ArrayOf<D> {
  if (dtype === "float16") return float32ToFloat16(values) as ArrayOf<D>;
  if (dtype === "bfloat16") return float32ToBfloat16(values) as ArrayOf<D>;
  if (dtype === "float32") return values as ArrayOf<D>;
  const wide = allocate("float64", values.length);
  wide.set(values);
  return wide as ArrayOf<D>;
}
