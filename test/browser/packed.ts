/** Tensors as JSON carries them between a test and its page. */
import { type DType, type Tensor, viewBytes } from "../../src/tensor/index.ts";

/** Its bytes in base64. */
export interface Packed {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: string;
}

export type PackedTensors = Readonly<Record<string, Packed>>;

export function pack({ dtype, shape, data }: Tensor): Packed {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype, shape, data: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
}

export function unpack({ dtype, shape, data }: Packed): Tensor {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  return { dtype, shape, data: viewBytes(dtype, bytes) };
}

export function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (a: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
