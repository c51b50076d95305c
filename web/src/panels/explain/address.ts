/** A query with other entries; what is undefined or empty leaves it. */
export function withEntries(
  query: URLSearchParams,
  entries: Readonly<Record<string, string | number | undefined>>,
): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(entries)) {
    if (value === undefined || value === "") next.delete(key);
    else next.set(key, String(value));
  }
  return next;
}

/** A whole number of a query within a range, or what stands for it. */
export function wholeOf(
  query: URLSearchParams,
  key: string,
  usual: number,
  [low, high]: readonly [number, number],
): number {
  const text = query.get(key) ?? "";
  const value = /^-?\d+$/.test(text) ? Number(text) : usual;
  return Math.min(high, Math.max(low, value));
}
