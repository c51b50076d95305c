/**
 * What a .safetensors file begins with: the header's length and the header. The tensors follow in the same order.
 *
 * @param {Iterable<readonly [name: string, shape: readonly number[]]>} tensors
 * @param {string} dtype as the format spells it
 * @param {number} width bytes of a number
 * @returns the bytes, and how many the tensors take together
 */
export function safetensorsHeader(tensors, dtype, width) {
  const header = {};
  let offset = 0;
  for (const [name, shape] of tensors) {
    const bytes = width * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return { bytes: Buffer.concat([length, json]), size: offset };
}
