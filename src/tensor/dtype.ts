/**
 * Element types, named as NumPy and ONNX name them. JavaScript has no arrays of 16-bit floats on every engine we
 * support, so float16 and bfloat16 are carried as their bits in a Uint16Array and widened where numbers are needed.
 */
const TYPES = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

export type DType = keyof typeof TYPES;

interface Arrays {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int16: Int16Array;
  int8: Int8Array;
  uint64: BigUint64Array;
  uint32: Uint32Array;
  uint16: Uint16Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}
/** The typed array that carries elements of type D. */
export type ArrayOf<D extends DType> = Arrays[D];
export type TypedArray = ArrayOf<DType>;

export const dtypes = Object.keys(TYPES) as DType[];

/** Bytes per element. */
export function byteWidth(dtype: DType): number {
  return TYPES[dtype].BYTES_PER_ELEMENT;
}

/** A zero-filled carrier for `length` elements. */
export function allocate<D extends DType>(dtype: D, length: number): ArrayOf<D> {
  return new TYPES[dtype](length) as ArrayOf<D>;
}

/** Views `bytes` as elements of `dtype`, copying only when the bytes are not aligned for it. */
export function viewBytes<D extends DType>(dtype: D, bytes: Uint8Array): ArrayOf<D> {
  const width = byteWidth(dtype);
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const length = bytes.byteLength / width;
  return new TYPES[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, length) as ArrayOf<D>;
}
