import { joined } from "../tensor/index.ts";
import { latin1 } from "./bytes.ts";
import { readUserComment } from "./exif.ts";

/** A segment says its length in 16 bits, the two bytes of the length included. */
export const MAX_SEGMENT = 0xffff - 2;

const EXIF_NAME = "Exif\0\0";
const EXIF = Buffer.from(EXIF_NAME, "latin1");

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/**
 * The JPEG with an APP1 segment that holds `tiff`, right after its start marker.
 *
 * @throws RangeError when it does not fit into a segment; see {@link MAX_SEGMENT}
 */
export function addJpegExif(jpeg: Uint8Array, tiff: Uint8Array): Uint8Array {
  const length = 2 + EXIF.length + tiff.length;
  if (length > 0xffff) throw new RangeError(`${tiff.length} bytes of EXIF do not fit into a JPEG segment.`);
  const marker = Uint8Array.of(0xff, 0xe1, length >> 8, length & 0xff);
  return joined(Uint8Array, jpeg.subarray(0, 2), marker, EXIF, tiff, jpeg.subarray(2));
}

/** The EXIF comment, looked for in the segments before the pixels. */
export function readJpegComment(bytes: Uint8Array): string | undefined {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++; // a fill byte
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return undefined;
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    const data = bytes.subarray(at + 4, at + 2 + length);
    if (marker === 0xe1 && latin1(data.subarray(0, 6)) === EXIF_NAME) return readUserComment(data);
    at += 2 + Math.max(length, 2);
  }
  return undefined;
}
