/** Latin-1 proper: TextDecoder's "latin1" is windows-1252 and changes 0x80–0x9f. */
export function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** The text in Latin-1, or undefined when a character is not in it. */
export function latin1Bytes(text: string): Uint8Array | undefined {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return undefined;
  return Buffer.from(text, "latin1");
}
