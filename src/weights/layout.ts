import { z } from "zod";
import { InputError } from "../tensor/index.ts";
import type { JsonObject } from "./json.ts";
import type { UNetLayout } from "./keys/unet.ts";
import type { VaeLayout } from "./keys/vae.ts";

/**
 * The few fields of a config.json that decide on the layout of its weights, checked: the key tables are derived from
 * them. Everything else in a config is for the model builders to judge.
 */

const levels = z.array(z.string()).min(1).max(16);
const layers = z.int().min(1).max(64);

const UNET = z.object({
  down_block_types: levels,
  up_block_types: levels,
  layers_per_block: z.union([layers, z.array(layers).min(1).max(16)]).default(2),
});
const VAE = z.object({
  block_out_channels: z.array(z.int().min(1)).min(1).max(16),
  layers_per_block: layers.default(1),
});
const TEXT = z
  .object({
    num_hidden_layers: z.int().min(1).max(1000).default(12),
    hidden_size: z.int().min(1).default(512),
    num_attention_heads: z.int().min(1).default(8),
    vocab_size: z.int().min(1).default(49408),
  })
  .refine(({ hidden_size, num_attention_heads }) => hidden_size % num_attention_heads === 0, {
    path: ["num_attention_heads"],
    error: ({ input }) => {
      const { hidden_size, num_attention_heads } = input as { hidden_size: number; num_attention_heads: number };
      return `${num_attention_heads} heads do not divide hidden_size ${hidden_size}`;
    },
  });

export const unetLayout = (config: JsonObject, file: string): UNetLayout => check(UNET, config, file);
export const vaeLayout = (config: JsonObject, file: string): VaeLayout => check(VAE, config, file);
export const textLayout = (config: JsonObject, file: string): z.infer<typeof TEXT> => check(TEXT, config, file);

/** Throws an InputError that names the file, the key and what is wrong with its value. */
export function check<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new InputError(`${file}: ${path.length > 0 ? `"${path.join(".")}": ` : ""}${message}.`);
}
