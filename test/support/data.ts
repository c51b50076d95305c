/** What suites of datasets share. */
import { type Dataset, type Example, isSkipped, type Skipped } from "../../src/training/data/dataset.ts";

/** What is at every place, in their order. */
export async function all(dataset: Dataset): Promise<(Example | Skipped)[]> {
  const found: (Example | Skipped)[] = [];
  for (let i = 0; i < dataset.length; i++) found.push(await dataset.at(i));
  return found;
}

/** The caption, or why there is none. */
export const told = (what: Example | Skipped): string => (isSkipped(what) ? `skipped: ${what.skipped}` : what.caption);
