/** The parts one after the other, in a new array of that kind. */
export function joined<T extends Uint8Array | Float32Array>(
  Kind: new (length: number) => T,
  ...parts: readonly ArrayLike<number>[]
): T {
  const out = new Kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
