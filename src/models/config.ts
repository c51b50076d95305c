import { z } from "zod";
import { InputError } from "../tensor/index.ts";

/**
 * Reads a published config.json. Keys that the schema does not know are left alone (files carry many that only say
 * how they were made); a known key with a value that would change the computation in a way not built here is refused.
 */
export function parseConfig<T extends z.ZodType>(schema: T, config: unknown, what: string): z.infer<T> {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const at = issue.path.join(".") || "the whole file";
  throw new InputError(`${what} config: "${at}": ${issue.message}. Check the model's config.json.`);
}

/** A key that must be absent, null or the one value that is built. */
export const only = <T extends string | number | boolean>(value: T) => z.literal(value).nullish();

/** A whole number of channels, layers, heads …: bounded, so that a broken file cannot ask for a graph without end. */
export const count = z.number().int().positive().max(1_000_000);

/** One value for every level, or a list with a value each. */
export function perLevel<T>(value: T | readonly T[], levels: number): readonly T[] {
  return Array.isArray(value) ? value : new Array<T>(levels).fill(value as T);
}
