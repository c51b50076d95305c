import { open } from "node:fs/promises";
import { InputError, inTurns } from "../tensor/index.ts";
import { formats, type PictureFormat } from "./encode.ts";
import { isJpeg, readJpegComment } from "./jpeg.ts";
import type { Picture } from "./picture.ts";
import { barePng, isPng, MAX_PIXELS, readPng } from "./png.ts";
import { readPngTexts } from "./png-text.ts";
import { isWebp, readWebpComment } from "./webp.ts";

/** The longest file that is taken for a picture. */
const MAX_BYTES = 2 ** 28;
/** The longest infotext that is believed, in characters. */
const MAX_INFOTEXT = 2 ** 20;

export interface PictureMetadata {
  readonly format: PictureFormat;
  /** As an A1111-compatible program wrote it; absent where none did. */
  readonly infotext?: string;
  /** Texts that were left out and why, one line each. */
  readonly notes: readonly string[];
}

/**
 * The bytes of a picture file.
 *
 * @throws InputError naming the file, when it cannot be read or is too long to be a picture
 */
export async function readPictureFile(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const stats = await file.stat();
      if (stats.isDirectory()) throw new InputError(`${path} is a folder, not a picture.`);
      if (stats.size > MAX_BYTES) throw new InputError(`${path} has ${stats.size} bytes: too many for a picture.`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "permission denied" : message;
    throw new InputError(`The picture ${path} cannot be read: ${why}.`);
  }
}

/** The format by the first bytes, whatever the file is called; undefined when it is none that is read. */
export function formatOfBytes(bytes: Uint8Array): PictureFormat | undefined {
  return isPng(bytes) ? "png" : isJpeg(bytes) ? "jpeg" : isWebp(bytes) ? "webp" : undefined;
}

/**
 * What a picture says about itself. Its pixels are not decoded, and nothing in it is inflated beyond a few megabytes.
 *
 * @throws InputError naming `name`, when it is no PNG, JPEG or WebP, or a damaged PNG
 */
export function readMetadata(bytes: Uint8Array, name: string): PictureMetadata {
  const format = formatOfBytes(bytes);
  if (format === "png") {
    const { texts, notes } = readPngTexts(readPng(bytes, name), name);
    return withInfotext(format, texts.get("parameters"), notes, name);
  }
  if (format === "jpeg") return withInfotext(format, readJpegComment(bytes), [], name);
  if (format === "webp") return withInfotext(format, readWebpComment(bytes), [], name);
  throw notAPicture(bytes, name);
}

function withInfotext(
  format: PictureFormat,
  infotext: string | undefined,
  notes: readonly string[],
  name: string,
): PictureMetadata {
  if (infotext === undefined || infotext.length <= MAX_INFOTEXT) return { format, infotext, notes };
  return { format, notes: [...notes, `${name}: its infotext has ${infotext.length} characters and was left out.`] };
}

/**
 * The pixels of a PNG, JPEG or WebP, transparency laid over black or white.
 *
 * @param maxPixels so many are decoded at most, whatever the file claims
 * @throws InputError naming `name`, when it is something else, damaged, or larger than that
 */
export async function decodePicture(
  bytes: Uint8Array,
  name: string,
  background: "black" | "white" = "black",
  maxPixels = MAX_PIXELS,
): Promise<Picture> {
  const format = formatOfBytes(bytes);
  if (!format) throw notAPicture(bytes, name);
  const clean = format === "png" ? barePng(readPng(bytes, name)) : bytes;
  const { default: sharp } = await import("sharp");
  try {
    const { data, info } = await sharp(clean, { limitInputPixels: maxPixels, failOn: "warning" })
      .autoOrient()
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    return { width, height, data: channels === 4 ? await onto(background, data) : data };
  } catch (error) {
    const why = (error as Error).message.split("\n")[0]!;
    if (/pixel limit/.test(why))
      throw new InputError(`${name} has more than ${maxPixels} pixels: so many are not read.`);
    throw new InputError(`${name} is a damaged ${format.toUpperCase()} and cannot be decoded: ${why}. Get it again.`);
  }
}

/** Red, green, blue, alpha laid over one grey, rounded to the nearest as Pillow's alpha_composite does. */
async function onto(background: "black" | "white", rgba: Uint8Array): Promise<Uint8Array> {
  const behind = background === "white" ? 255 : 0;
  const data = new Uint8Array((rgba.length / 4) * 3);
  await inTurns(rgba.length / 4, (from, to) => {
    for (let i = from; i < to; i++) {
      const alpha = rgba[4 * i + 3]!;
      for (let c = 0; c < 3; c++) {
        data[3 * i + c] = Math.floor((rgba[4 * i + c]! * alpha + behind * (255 - alpha) + 127) / 255);
      }
    }
  });
  return data;
}

/** What people take for a picture of ours, told by its first bytes (read as Latin-1). */
const OTHERS: readonly (readonly [start: RegExp, what: string])[] = [
  [/^$/, "is empty"],
  [/^GIF8/, "is a GIF"],
  [/^BM/, "is a BMP"],
  [/^(II\*\0|MM\0\*)/, "is a TIFF"],
  [/^....ftyp(avif|avis)/s, "is an AVIF"],
  [/^....ftyp(heic|heix|mif1)/s, "is a HEIC"],
  [/^\s*<(!doctype|html)/i, "is a web page"],
  [/^\s*<(\?xml|svg)/i, "is an SVG or XML file"],
  [/^%PDF/, "is a PDF"],
];

function notAPicture(bytes: Uint8Array, name: string): InputError {
  const start = String.fromCharCode(...bytes.subarray(0, 32));
  const what = OTHERS.find(([pattern]) => pattern.test(start))?.[1] ?? "is no picture that is known here";
  const known = Object.keys(formats).map((format) => format.toUpperCase());
  return new InputError(`${name} ${what}; ${known.slice(0, -1).join(", ")} and ${known.at(-1)} files can be read.`);
}
