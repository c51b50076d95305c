import { latin1 } from "./bytes.ts";

/**
 * EXIF's UserComment, where A1111 keeps the infotext of JPEG and WebP files: "UNICODE", a zero, then UTF-16 with the
 * high byte first, whatever the byte order of the rest (EXIF 2.3 §4.6.5 leaves it open; piexif writes and reads this).
 */

const EXIF_IFD = 0x8769;
const USER_COMMENT = 0x9286;
const UNICODE = "UNICODE\0";
const ASCII = "ASCII\0\0\0";

/** A TIFF structure (big-endian) that holds nothing but the comment. `ascii` takes half the bytes; see {@link isAscii}. */
export function writeUserComment(text: string, encoding: "unicode" | "ascii" = "unicode"): Uint8Array {
  const comment =
    encoding === "ascii"
      ? Buffer.from(ASCII + text, "latin1")
      : Buffer.concat([Buffer.from(UNICODE, "latin1"), Buffer.from(text, "utf16le").swap16()]);
  // Header (8), IFD0 with one entry (18) that points to the Exif IFD, which has one entry (18), then the comment.
  const out = Buffer.alloc(44 + comment.length);
  out.write("MM\0*", 0, "latin1");
  out.writeUInt32BE(8, 4);
  writeDirectory(out, 8, EXIF_IFD, 4, 1, 26);
  writeDirectory(out, 26, USER_COMMENT, 7, comment.length, 44);
  comment.copy(out, 44);
  return out;
}

function writeDirectory(out: Buffer, at: number, tag: number, type: number, count: number, value: number): void {
  out.writeUInt16BE(1, at); // one entry
  out.writeUInt16BE(tag, at + 2);
  out.writeUInt16BE(type, at + 4);
  out.writeUInt32BE(count, at + 6);
  out.writeUInt32BE(value, at + 10);
  out.writeUInt32BE(0, at + 14); // no further directory
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** The comment in a TIFF structure (with or without "Exif\0\0" before it), or undefined where none can be read. */
export function readUserComment(bytes: Uint8Array): string | undefined {
  const head = latin1(bytes.subarray(0, 6)) === "Exif\0\0" ? 6 : 0;
  const tiff = bytes.subarray(head);
  const order = latin1(tiff.subarray(0, 4));
  if (tiff.length < 8 || (order !== "MM\0*" && order !== "II*\0")) return undefined;
  const little = order[0] === "I";
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const exif = findEntry(view, view.getUint32(4, little), EXIF_IFD, little);
  if (!exif) return undefined;
  const comment = findEntry(view, exif.value, USER_COMMENT, little);
  if (!comment || comment.count <= 8 || comment.value + comment.count > tiff.length) return undefined;
  const data = tiff.subarray(comment.value, comment.value + comment.count);
  const text = data.subarray(8);
  switch (latin1(data.subarray(0, 8))) {
    case UNICODE:
      return utf16(text, little);
    case "JIS\0\0\0\0\0":
      return undefined;
    default:
      return new TextDecoder().decode(text).replace(/\0+$/, "");
  }
}

/** The first entry of that tag in the directory at `at`; nothing outside the bytes is read. */
function findEntry(view: DataView, at: number, tag: number, little: boolean) {
  if (at + 2 > view.byteLength) return undefined;
  const entries = view.getUint16(at, little);
  for (let i = 0; i < entries; i++) {
    const entry = at + 2 + 12 * i;
    if (entry + 12 > view.byteLength) return undefined;
    if (view.getUint16(entry, little) !== tag) continue;
    return { count: view.getUint32(entry + 4, little), value: view.getUint32(entry + 8, little) };
  }
  return undefined;
}

/** piexif writes the high byte first always; others follow the structure's order. ASCII's zeros tell which it was. */
function utf16(bytes: Uint8Array, little: boolean): string {
  const copy = Buffer.from(bytes.subarray(0, bytes.length & ~1));
  let [evenZeros, oddZeros] = [0, 0];
  for (let i = 0; i < copy.length; i += 2) {
    if (copy[i] === 0) evenZeros++;
    if (copy[i + 1] === 0) oddZeros++;
  }
  const mark = copy.length >= 2 ? copy.readUInt16BE(0) : 0;
  const lowFirst =
    mark === 0xfffe || (mark !== 0xfeff && (evenZeros === oddZeros ? little && evenZeros > 0 : oddZeros > evenZeros));
  return (lowFirst ? copy : copy.swap16()).toString("utf16le").replace(/^\ufeff/, "");
}
