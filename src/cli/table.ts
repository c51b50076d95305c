/**
 * Rows as aligned columns, two spaces between them.
 *
 * @param numbers the columns, counted from 0, whose ends are aligned instead of their beginnings
 */
export function table(rows: readonly (readonly string[])[], numbers: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const padded = (cell: string, i: number): string =>
    numbers.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  return rows.map((row) => `${row.map(padded).join("  ").trimEnd()}\n`).join("");
}
