import { z } from "zod";
import { InputError } from "../tensor/index.ts";

/**
 * Reads what a JSON file from outside holds. Keys that the schema does not know are left alone (files carry many that
 * only say how they were made); a known key with a value that would change the computation in a way not built here is
 * refused.
 *
 * @param file its path, for messages
 * @throws InputError naming the file, the key and what is wrong with its value
 */
export function parseConfig<T extends z.ZodType>(schema: T, config: unknown, file: string): z.infer<T> {
  const result = schema.safeParse(config);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new InputError(`${file}: ${path.length > 0 ? `"${path.join(".")}": ` : ""}${message}.`);
}

/** A key that must be absent, null or the one value that is built. */
export const only = <T extends string | number | boolean>(value: T) => z.literal(value).nullish();

/** A key that stands for something not built here unless it is absent or null. */
export const absent = z.null({ error: "not supported; only null is" }).optional();

/** A whole number of channels, layers, heads …: bounded, so that a broken file cannot ask for a graph without end. */
export const count = z.number().int().positive().max(1_000_000);

/** The width of each level, from the picture inwards. */
export const widths = z.array(count).min(1).max(16);

/** Diffusers' activation x · σ(x) under both of its names. */
export const siluOnly = z.enum(["silu", "swish"]).nullish();

/** One value for every level, or a list with a value each. */
export const leveled = <T extends z.ZodType>(value: T) => z.union([value, z.array(value)]);

/** One value for every level, or a list with a value each. */
export function perLevel<T>(value: T | readonly T[], levels: number): readonly T[] {
  return Array.isArray(value) ? value : new Array<T>(levels).fill(value as T);
}

/** A refinement: those of `lists` that are lists must be as long as the list `key` is. */
export function sameLength<C extends object>(key: keyof C & string, lists: readonly (keyof C & string)[]) {
  return (config: C, context: z.RefinementCtx): void => {
    const levels = (config[key] as readonly unknown[]).length;
    for (const list of lists) {
      const value: unknown = config[list];
      if (!Array.isArray(value) || value.length === levels) continue;
      context.addIssue({
        code: "custom",
        path: [list],
        message: `${value.length} entries for the ${levels} levels of ${key}`,
      });
    }
  };
}
