import { type ArrayOf, allocate, type DType } from "./dtype.ts";
import { bfloat16ToFloat32, float16ToFloat32, float32ToFloat16 } from "./half.ts";

/** A dense row-major array. A plain object, so that it survives structured cloning between processes and workers. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: ArrayOf<D>;
}

/** The number of elements of `shape`. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Wraps `data` as a tensor; throws a RangeError when its length is not what `shape` says. */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: ArrayOf<D>): Tensor<D> {
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(
      `A ${dtype} tensor of shape [${shape}] has ${sizeOf(shape)} elements, but ${data.length} were given.`,
    );
  }
  return { dtype, shape, data };
}

/** A float32 tensor from numbers. */
export function float32(shape: readonly number[], data: Float32Array | readonly number[]): Tensor<"float32"> {
  return tensor("float32", shape, data instanceof Float32Array ? data : Float32Array.from(data));
}

/** A tensor of either type from numbers, rounded to nearest. */
export function floats(
  dtype: "float32" | "float16",
  shape: readonly number[],
  data: readonly number[],
): Tensor<"float32" | "float16"> {
  return dtype === "float32" ? float32(shape, data) : tensor(dtype, shape, float32ToFloat16(data));
}

/** An int64 tensor from integers (token ids, mostly). */
export function int64(shape: readonly number[], data: readonly (number | bigint)[]): Tensor<"int64"> {
  return tensor("int64", shape, BigInt64Array.from(data, BigInt));
}

export function zeros<D extends DType>(dtype: D, shape: readonly number[]): Tensor<D> {
  return tensor(dtype, shape, allocate(dtype, sizeOf(shape)));
}

/** The numbers of a tensor of any float or integer type as float32 (int64 beyond 2⁵³ loses digits). */
export function toFloat32(t: Tensor): Float32Array {
  switch (t.dtype) {
    case "float32":
      return t.data as Float32Array;
    case "float16":
      return float16ToFloat32(t.data as Uint16Array);
    case "bfloat16":
      return bfloat16ToFloat32(t.data as Uint16Array);
    default:
      return Float32Array.from(t.data as ArrayLike<number | bigint>, Number);
  }
}
