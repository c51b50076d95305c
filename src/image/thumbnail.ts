import { loadEncoder } from "./encode.ts";

/** A picture's file as a small WebP of at most `side` pixels a side; never larger than the picture. */
export async function thumbnail(bytes: Uint8Array, side: number): Promise<Uint8Array> {
  const sharp = await loadEncoder();
  return sharp(bytes).resize(side, side, { fit: "inside", withoutEnlargement: true }).webp({ quality: 80 }).toBuffer();
}
