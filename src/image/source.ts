import { InputError } from "../tensor/index.ts";
import type { Picture } from "./picture.ts";
import { decodePicture, readPictureFile } from "./read.ts";

/** A picture wherever it is: a file's path, a file's bytes, or pixels. */
export type PictureSource = string | Uint8Array | Picture;

export interface ReadOptions {
  /** What shows through where the picture is transparent. Default white. */
  readonly background?: "white" | "black";
}

/**
 * The pixels of a PNG, JPEG or WebP (of an animated one the first frame), turned upright as its EXIF says, in sRGB with
 * 8 bits a channel.
 *
 * @throws InputError where there is no such file, or it is damaged, of another kind, or larger than 16384 × 16384
 */
export async function readPicture(source: PictureSource, { background = "white" }: ReadOptions = {}): Promise<Picture> {
  if (typeof source === "string") return decodePicture(await readPictureFile(source), source, background);
  if (source instanceof Uint8Array) return decodePicture(source, "The picture", background);
  const { width, height, data } = source;
  if (width > 0 && height > 0 && data.length === 3 * width * height) return source;
  throw new InputError(
    `A picture of ${width}×${height} has ${3 * width * height} bytes, three a pixel; this one has ${data.length}.`,
  );
}
