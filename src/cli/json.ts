/** One line of JSON. Tensors and pictures are told by type and shape: their numbers would drown everything else. */
export function jsonLine(value: object): string {
  return `${JSON.stringify(value, summarize)}\n`;
}

function summarize(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value !== "object" || value === null || !("data" in value) || !ArrayBuffer.isView(value.data))
    return value;
  const { data: _data, ...rest } = value;
  return rest;
}
