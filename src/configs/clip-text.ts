import { z } from "zod";
import { count, parseConfig } from "./parse.ts";

/** A refinement of both of CLIP's towers. */
export function headsDivide(
  { hidden_size: width, num_attention_heads: heads }: { hidden_size: number; num_attention_heads: number },
  context: z.RefinementCtx,
): void {
  if (width % heads === 0) return;
  const message = `${heads} heads do not divide hidden_size ${width}`;
  context.addIssue({ code: "custom", path: ["num_attention_heads"], message });
}

const schema = z
  .object({
    vocab_size: count.default(49408),
    hidden_size: count.default(512),
    intermediate_size: count.default(2048),
    num_hidden_layers: count.max(1000).default(12),
    num_attention_heads: count.default(8),
    max_position_embeddings: count.default(77),
    hidden_act: z.enum(["gelu", "quick_gelu"]).default("quick_gelu"),
    layer_norm_eps: z.number().positive().default(1e-5),
  })
  .superRefine(headsDivide);

/** A CLIPTextModel's config.json with the class's defaults. */
export type ClipTextConfig = z.infer<typeof schema>;

export function clipTextConfig(config: unknown, file = "The text encoder's config.json"): ClipTextConfig {
  return parseConfig(schema, config, file);
}
