import type { Numbers } from "../../../../src/server/schema/index.ts";

/** Numbers as the page works with them; of latents the shape is [1, channels, height, width]. */
export interface Floats {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

const bytesOf = (base64: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

export const floatsOf = ({ shape, data }: Numbers): Floats => ({ shape, data: new Float32Array(bytesOf(data).buffer) });

export function numbersOf({ shape, data }: Floats): Numbers {
  let text = "";
  for (const byte of new Uint8Array(data.buffer, data.byteOffset, data.byteLength)) text += String.fromCharCode(byte);
  return { shape: [...shape], data: btoa(text) };
}

/** A byte a place, 255 being `most`. */
export const sharesOf = ({ most, data }: { readonly most: number; readonly data: string }): Float32Array =>
  Float32Array.from(bytesOf(data), (byte) => (byte / 255) * most);

/** a · x + b · y */
export const mixed = (a: number, x: Floats, b: number, y: Floats): Floats => ({
  shape: x.shape,
  data: x.data.map((value, i) => a * value + b * y.data[i]!),
});
