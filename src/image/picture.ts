/** 8-bit RGB, rows from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** width · height · 3 bytes. */
  readonly data: Uint8Array;
}
