import type { DType } from "./dtype.ts";

/**
 * A tensor that lies in a file: what a graph's weight is bound to. Nothing is read; the runtime maps the bytes where
 * they are.
 */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Absolute path with symbolic links resolved (the runtime refuses links that leave their folder), or a URL. */
  readonly file: string;
  /** Bytes from the start of the file; any value, aligned or not. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}
