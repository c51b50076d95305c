import { joined } from "../tensor/index.ts";
import { latin1 } from "./bytes.ts";
import { readUserComment } from "./exif.ts";

/** WebP's container: RIFF chunks of a type, a length (low byte first) and data, padded to even (RFC 9649 §2). */

export function isWebp(bytes: Uint8Array): boolean {
  return bytes.length >= 12 && latin1(bytes.subarray(0, 4)) === "RIFF" && latin1(bytes.subarray(8, 12)) === "WEBP";
}

/** A plain WebP (no alpha, no animation) of this size, made an extended one that holds `tiff` as its EXIF chunk. */
export function addWebpExif(webp: Uint8Array, tiff: Uint8Array, width: number, height: number): Uint8Array {
  const size = Buffer.alloc(10);
  size[0] = 0x08; // there is EXIF
  size.writeUIntLE(width - 1, 4, 3);
  size.writeUIntLE(height - 1, 7, 3);
  const pixels = [...chunks(webp)].filter(({ type }) => type === "VP8 " || type === "VP8L");
  const body = joined(
    Uint8Array,
    Buffer.from("WEBP"),
    chunk("VP8X", size),
    ...pixels.map(({ type, data }) => chunk(type, data)),
    chunk("EXIF", tiff),
  );
  return chunk("RIFF", body);
}

export function readWebpComment(bytes: Uint8Array): string | undefined {
  for (const { type, data } of chunks(bytes)) if (type === "EXIF") return readUserComment(data);
  return undefined;
}

function* chunks(bytes: Uint8Array): Generator<{ type: string; data: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (length > bytes.length - at - 8) return;
    yield { type: latin1(bytes.subarray(at, at + 4)), data: bytes.subarray(at + 8, at + 8 + length) };
    at += 8 + length + (length % 2);
  }
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8);
  head.write(type, "latin1");
  head.writeUInt32LE(data.length, 4);
  return joined(Uint8Array, head, data, new Uint8Array(data.length % 2));
}
