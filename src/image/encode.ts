import { isAscii, writeUserComment } from "./exif.ts";
import { addJpegExif, MAX_SEGMENT } from "./jpeg.ts";
import type { Picture } from "./picture.ts";
import { addPngText } from "./png-text.ts";
import { addWebpExif } from "./webp.ts";

/** The file formats that pictures are written in, by name; the first extension is the one given to new files. */
export const formats = {
  png: { extensions: [".png"], mime: "image/png" },
  jpeg: { extensions: [".jpg", ".jpeg"], mime: "image/jpeg" },
  webp: { extensions: [".webp"], mime: "image/webp" },
} as const satisfies Record<string, { extensions: readonly string[]; mime: string }>;

export type PictureFormat = keyof typeof formats;

/** The format that a file name asks for by its extension, in upper or lower case. */
export function formatOfName(name: string): PictureFormat | undefined {
  const lower = name.toLowerCase();
  for (const [format, { extensions }] of Object.entries(formats)) {
    if (extensions.some((extension) => lower.endsWith(extension))) return format as PictureFormat;
  }
  return undefined;
}

export interface EncodeOptions {
  /** JPEG's and WebP's quality, 1–100. Default 92. */
  quality?: number;
  /** Told when the infotext had to be left out. */
  onNote?: (line: string) => void;
}

/** Loads what encodes, which takes a moment: ahead of time by whoever will need it, else with the first picture. */
export async function loadEncoder() {
  return (await import("sharp")).default;
}

/**
 * The bytes of a file. The infotext goes where A1111 puts it and reads it from: PNG's text `parameters`, the EXIF
 * UserComment of JPEG and WebP. JPEG has room for 64 kB; what is longer is left out, and `onNote` told.
 */
export async function encodePicture(
  picture: Picture,
  format: PictureFormat,
  infotext?: string,
  options: EncodeOptions = {},
): Promise<Uint8Array> {
  const { width, height, data } = picture;
  const sharp = await loadEncoder();
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  const quality = options.quality ?? 92;
  switch (format) {
    case "png": {
      const bytes = await image.png().toBuffer();
      return infotext === undefined ? bytes : addPngText(bytes, "parameters", infotext);
    }
    case "jpeg": {
      // Full colour resolution: halved, fine coloured lines of a small picture blur.
      const bytes = await image.jpeg({ quality, chromaSubsampling: "4:4:4" }).toBuffer();
      return infotext === undefined ? bytes : jpegWithInfotext(bytes, infotext, options.onNote);
    }
    case "webp": {
      const bytes = await image.webp({ quality, smartSubsample: true }).toBuffer();
      return infotext === undefined ? bytes : addWebpExif(bytes, writeUserComment(infotext), width, height);
    }
  }
}

function jpegWithInfotext(jpeg: Uint8Array, infotext: string, onNote?: (line: string) => void): Uint8Array {
  const room = MAX_SEGMENT - "Exif\0\0".length;
  const unicode = writeUserComment(infotext);
  if (unicode.length <= room) return addJpegExif(jpeg, unicode);
  const ascii = isAscii(infotext) ? writeUserComment(infotext, "ascii") : undefined;
  if (ascii && ascii.length <= room) return addJpegExif(jpeg, ascii);
  onNote?.("The prompt and settings are too long for a JPEG and were left out of it; a PNG or WebP holds them.");
  return jpeg;
}
