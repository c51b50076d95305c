import { inflateSync } from "node:zlib";
import { joined } from "../tensor/index.ts";
import { latin1, latin1Bytes } from "./bytes.ts";
import { type Png, type PngChunk, readPng, writePng } from "./png.ts";

/** How much text a PNG's compressed chunks may inflate to, all of them together. */
const MAX_INFLATED = 4 * 2 ** 20;

export interface PngTexts {
  /** Keyword → text. Of several with one keyword the last counts, as in Pillow and so in A1111. */
  readonly texts: ReadonlyMap<string, string>;
  /** What was left out and why, one line each. */
  readonly notes: readonly string[];
}

/**
 * The texts of a PNG: tEXt (Latin-1), zTXt (the same, deflated) and iTXt (UTF-8, perhaps deflated), PNG specification
 * §11.3.4. Inflating is bounded; a text that would exceed the bound is left out and noted.
 */
export function readPngTexts(png: Png, name: string): PngTexts {
  const texts = new Map<string, string>();
  const notes: string[] = [];
  let room = MAX_INFLATED;
  const inflate = (data: Uint8Array): Uint8Array => {
    const out = inflateSync(data, { maxOutputLength: Math.max(room, 1) });
    room -= out.length;
    return out;
  };
  for (const chunk of png.chunks) {
    const read = READERS[chunk.type];
    if (!read) continue;
    const end = chunk.data.indexOf(0);
    if (end < 1) continue;
    const keyword = latin1(chunk.data.subarray(0, end));
    try {
      texts.set(keyword, read(chunk.data.subarray(end + 1), inflate));
    } catch (error) {
      // One bomb must not let the next one inflate as far again.
      const bomb = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      if (bomb) room = 0;
      const why = bomb ? `it inflates to more than ${MAX_INFLATED} bytes` : "it is damaged";
      if (notes.length < 10) notes.push(`${name}: the text ${JSON.stringify(keyword)} was left out, because ${why}.`);
    }
  }
  return { texts, notes };
}

type Reader = (data: Uint8Array, inflate: (data: Uint8Array) => Uint8Array) => string;

const READERS: Readonly<Record<string, Reader | undefined>> = {
  tEXt: (data) => latin1(data),
  // One byte of compression method, always 0 (deflate).
  zTXt: (data, inflate) => latin1(inflate(data.subarray(1))),
  // Compressed or not, method, language tag, 0, translated keyword, 0, text.
  iTXt: (data, inflate) => {
    const language = data.indexOf(0, 2);
    const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
    if (translated < 0) throw new Error("iTXt without its separators");
    const text = data.subarray(translated + 1);
    return new TextDecoder().decode(data[0] === 1 ? inflate(text) : text);
  },
};

/**
 * The chunk that carries `text`: tEXt where Latin-1 has all of its characters, else iTXt, as Pillow writes A1111's.
 *
 * @param keyword 1–79 Latin-1 characters
 */
export function textChunk(keyword: string, text: string): PngChunk {
  const plain = latin1Bytes(text);
  if (plain) return { type: "tEXt", data: joined(Uint8Array, latin1Bytes(keyword)!, Uint8Array.of(0), plain) };
  return {
    type: "iTXt",
    data: joined(Uint8Array, latin1Bytes(keyword)!, new Uint8Array(5), new TextEncoder().encode(text)),
  };
}

/** The PNG with `text` under `keyword`, before its pixels, in place of what was there under that keyword. */
export function addPngText(bytes: Uint8Array, keyword: string, text: string): Uint8Array {
  const [header, ...rest] = readPng(bytes, "The encoded picture").chunks;
  const others = rest.filter(
    ({ type, data }) => !READERS[type] || latin1(data.subarray(0, data.indexOf(0))) !== keyword,
  );
  return writePng([header!, textChunk(keyword, text), ...others]);
}
