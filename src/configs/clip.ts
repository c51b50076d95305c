import { z } from "zod";
import { type ClipTextConfig, clipTextConfig, headsDivide } from "./clip-text.ts";
import { count, parseConfig } from "./parse.ts";

const visionSchema = z
  .object({
    hidden_size: count.default(768),
    intermediate_size: count.default(3072),
    num_hidden_layers: count.max(1000).default(12),
    num_attention_heads: count.default(12),
    num_channels: count.default(3),
    image_size: count.max(4096).default(224),
    patch_size: count.default(32),
    hidden_act: z.enum(["gelu", "quick_gelu"]).default("quick_gelu"),
    layer_norm_eps: z.number().positive().default(1e-5),
  })
  .superRefine(headsDivide)
  .superRefine(({ image_size: side, patch_size: patch }, context) => {
    if (patch <= side) return;
    context.addIssue({
      code: "custom",
      path: ["patch_size"],
      message: `${patch} pixels, more than image_size ${side}`,
    });
  });

/** A CLIPVisionModel's config.json with the class's defaults. */
export type ClipVisionConfig = z.infer<typeof visionSchema>;

export function clipVisionConfig(config: unknown, file = "The vision tower's config.json"): ClipVisionConfig {
  return parseConfig(visionSchema, config, file);
}

const tower = z.record(z.string(), z.unknown()).nullish();

const schema = z.object({
  projection_dim: count.default(512),
  text_config: tower,
  vision_config: tower,
  // The first published files repeat what matters here, and it wins.
  text_config_dict: tower,
  vision_config_dict: tower,
});

/** A CLIPModel's config.json with the classes' defaults. */
export interface ClipConfig {
  readonly text: ClipTextConfig;
  readonly vision: ClipVisionConfig;
  /** The width that both towers are projected to; the towers' own `projection_dim` says nothing here. */
  readonly projection: number;
  /** The id whose first place the text is pooled at; undefined: the largest id of each row. */
  readonly eos: number | undefined;
}

/** What configurations written before transformers 4.31 say of the end token, whatever it really is. */
const OLD_EOS = 2;

export function clipConfig(config: unknown, file = "CLIP's config.json"): ClipConfig {
  const parsed = parseConfig(schema, config, file);
  const text = { ...parsed.text_config, ...parsed.text_config_dict };
  const { eos_token_id: eos = 49407 } = parseConfig(
    z.object({ eos_token_id: z.number().int().nonnegative().optional() }),
    text,
    `${file}: text_config`,
  );
  return {
    text: clipTextConfig(text, `${file}: text_config`),
    vision: clipVisionConfig({ ...parsed.vision_config, ...parsed.vision_config_dict }, `${file}: vision_config`),
    projection: parsed.projection_dim,
    eos: eos === OLD_EOS ? undefined : eos,
  };
}
