/**
 * The byte-level alphabet of GPT-2 (Radford et al. 2019), which CLIP shares: every byte as one printable character.
 * Printable Latin-1 bytes stand for themselves, the other 68 take the characters from U+0100 on.
 */
const PRINTABLE = [...span(0x21, 0x7e), ...span(0xa1, 0xac), ...span(0xae, 0xff)];
const OTHERS = span(0x00, 0xff).filter((byte) => !PRINTABLE.includes(byte));

/** The alphabet in the order in which both vocabularies number it: the printable bytes, then the others. */
export const ALPHABET: readonly string[] = [
  ...PRINTABLE.map((byte) => String.fromCharCode(byte)),
  ...OTHERS.map((_, i) => String.fromCharCode(0x100 + i)),
];

const byteOf = new Map([...PRINTABLE, ...OTHERS].map((byte, i) => [ALPHABET[i]!, byte]));

/** The character of each byte. */
export const SYMBOLS: readonly string[] = span(0x00, 0xff).map(
  (byte) => ALPHABET[PRINTABLE.includes(byte) ? PRINTABLE.indexOf(byte) : PRINTABLE.length + OTHERS.indexOf(byte)]!,
);

/**
 * The text that tokens spell byte by byte. Bytes that are no UTF-8 become U+FFFD; a token with a character outside the
 * alphabet (some special ones) stands for itself.
 */
export function textOf(tokens: readonly string[]): string {
  const bytes: number[] = [];
  for (const token of tokens) {
    const own = Array.from(token, (symbol) => byteOf.get(symbol));
    if (own.includes(undefined)) for (const byte of new TextEncoder().encode(token)) bytes.push(byte);
    else for (const byte of own) bytes.push(byte!);
  }
  // ignoreBOM keeps a byte order mark that the text really holds.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

function span(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
