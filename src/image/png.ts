import { crc32, deflateSync } from "node:zlib";
import { InputError } from "../tensor/index.ts";
import type { Picture } from "./picture.ts";

/** PNG's container: a signature, then chunks of length, type, data and checksum (PNG specification §5). */
export interface PngChunk {
  readonly type: string;
  readonly data: Uint8Array;
}

export interface Png {
  readonly width: number;
  readonly height: number;
  /** All chunks from IHDR to IEND. */
  readonly chunks: readonly PngChunk[];
}

/** The largest picture that is read: 16384 × 16384 or as many pixels in another shape. */
export const MAX_PIXELS = 2 ** 28;

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
/** What decoding needs: everything else (colour profiles, texts, times) may be left out. */
const NEEDED = new Set(["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]);

export function isPng(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/**
 * Walks the chunks and checks lengths, checksums and the header's size; inflates nothing and copies nothing.
 *
 * @throws InputError naming `name`, when the file is cut short or damaged or claims an impossible size
 */
export function readPng(bytes: Uint8Array, name: string): Png {
  const damaged = (what: string): InputError =>
    new InputError(`${name} is a damaged PNG: ${what}. Get the file again.`);
  if (!isPng(bytes)) throw new InputError(`${name} is not a PNG.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: PngChunk[] = [];
  let size: { width: number; height: number } | undefined;
  for (let at = 8; chunks.at(-1)?.type !== "IEND"; ) {
    if (at + 12 > bytes.length) throw damaged(`it is cut short after ${bytes.length} bytes`);
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!/^[A-Za-z]{4}$/.test(type)) throw damaged(`there is no chunk at byte ${at}`);
    if (length > bytes.length - at - 12) {
      throw damaged(`its chunk ${type} claims ${length} bytes, but ${Math.max(bytes.length - at - 12, 0)} are left`);
    }
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw damaged(`the checksum of its chunk ${type} is wrong`);
    }
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (chunks.length === 0) size = readHeader(type, data, name, damaged);
    chunks.push({ type, data });
    at += 12 + length;
  }
  return { ...size!, chunks };
}

function readHeader(type: string, data: Uint8Array, name: string, damaged: (what: string) => InputError) {
  if (type !== "IHDR" || data.length !== 13) throw damaged("it does not begin with a header");
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  if (width === 0 || height === 0) throw damaged(`it claims a size of ${width}×${height}`);
  if (width * height > MAX_PIXELS) {
    throw new InputError(`${name} claims a size of ${width}×${height}: more than ${MAX_PIXELS} pixels are not read.`);
  }
  return { width, height };
}

/** The file with these chunks. */
export function writePng(chunks: readonly PngChunk[]): Uint8Array {
  const out = new Uint8Array(8 + chunks.reduce((sum, { data }) => sum + 12 + data.length, 0));
  const view = new DataView(out.buffer);
  out.set(SIGNATURE);
  let at = 8;
  for (const { type, data } of chunks) {
    view.setUint32(at, data.length);
    for (let i = 0; i < 4; i++) out[at + 4 + i] = type.charCodeAt(i);
    out.set(data, at + 8);
    view.setUint32(at + 8 + data.length, crc32(out.subarray(at + 4, at + 8 + data.length)));
    at += 12 + data.length;
  }
  return out;
}

/**
 * The same picture without anything that decoding does not need, so that no decoder inflates a colour profile or a text
 * from a stranger's file.
 */
export function barePng(png: Png): Uint8Array {
  return writePng(png.chunks.filter(({ type }) => NEEDED.has(type)));
}

/** A PNG without delay: for previews, where a few hundred pixels must reach a terminal now. Files go through sharp. */
export function quickPng({ width, height, data }: Picture): Uint8Array {
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, 2], 8); // 8 bits a value, RGB
  const rows = new Uint8Array(height * (1 + 3 * width)); // each row begins with its filter: 0, none
  for (let y = 0; y < height; y++) rows.set(data.subarray(3 * width * y, 3 * width * (y + 1)), y * (1 + 3 * width) + 1);
  return writePng([
    { type: "IHDR", data: header },
    { type: "IDAT", data: deflateSync(rows) },
    { type: "IEND", data: new Uint8Array() },
  ]);
}
