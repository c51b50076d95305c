/** An amount of memory, such as 512MiB, 1.5 GiB or 0; without a unit it is GiB. */
export const MEMORY_SIZE = /^(\d+(?:\.\d+)?)\s*(?:([KMGT])(i?)B)?$/i;

const POWERS = { K: 1, M: 2, G: 3, T: 4 };

/** The bytes of an amount of memory; undefined for what is none. */
export function bytesOf(text: string): number | undefined {
  const [, amount, unit = "G", binary = "i"] = MEMORY_SIZE.exec(text.trim()) ?? [];
  if (amount === undefined) return undefined;
  return Math.round(Number(amount) * (binary ? 1024 : 1000) ** POWERS[unit.toUpperCase() as keyof typeof POWERS]);
}
