import { z } from "zod";
import { count, parseConfig } from "./parse.ts";

const schema = z.object({
  inkling_prefix: z.strictObject(
    {
      /** Embeddings that stand before the caption. */
      tokens: count.max(1024),
      /** What the normalised embedding of the picture is multiplied by. */
      embedding_scale: z.number().positive().default(1),
      /** Values of the picture's embedding: CLIP's projection_dim. */
      clip_dim: count,
    },
    { error: (issue) => (issue.input === undefined ? "missing, so this is no captioner" : undefined) },
  ),
});

/** How a captioner turns a picture's embedding into a prefix for its GPT-2. */
export type ClipCapConfig = z.infer<typeof schema>["inkling_prefix"];

/** The key "inkling_prefix" of a captioner's config.json, which else is its GPT-2's. */
export function clipCapConfig(config: unknown, file = "The captioner's config.json"): ClipCapConfig {
  return parseConfig(schema, config, file).inkling_prefix;
}
