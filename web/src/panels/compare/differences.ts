import type { DrawnSettings } from "../../../../src/server/schema/index.ts";

export interface Difference {
  readonly key: string;
  readonly a: string;
  readonly b: string;
}

/** The settings in which two pictures differ. */
export function differencesOf(a: DrawnSettings, b: DrawnSettings): readonly Difference[] {
  const [of, from] = [a, b].map((each) => each as unknown as Readonly<Record<string, unknown>>);
  return [...new Set([...Object.keys(of!), ...Object.keys(from!)])]
    .map((key) => ({ key, a: shown(of![key]), b: shown(from![key]) }))
    .filter((row) => row.a !== row.b);
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
