import { z } from "zod";
import { count, only, parseConfig } from "./parse.ts";

const schema = z
  .object({
    vocab_size: count.default(50257),
    n_positions: count.default(1024),
    n_embd: count.default(768),
    n_layer: count.max(1000).default(12),
    n_head: count.default(12),
    n_inner: count.nullish(),
    activation_function: z
      .enum(["gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu", "relu", "silu", "swish"])
      .default("gelu_new"),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    scale_attn_weights: only(true),
    scale_attn_by_inverse_layer_idx: only(false),
    reorder_and_upcast_attn: only(false),
    add_cross_attention: only(false),
    tie_word_embeddings: only(true),
    /** Ends a text, and begins one that has no beginning. Default: the tokenizer's. */
    eos_token_id: z.number().int().nonnegative().nullish(),
  })
  .superRefine(({ n_embd: width, n_head: heads }, context) => {
    if (width % heads === 0) return;
    context.addIssue({ code: "custom", path: ["n_head"], message: `${heads} heads do not divide n_embd ${width}` });
  });

/** A GPT2LMHeadModel's config.json with the class's defaults. */
export type Gpt2Config = z.infer<typeof schema>;

export function gpt2Config(config: unknown, file = "GPT-2's config.json"): Gpt2Config {
  return parseConfig(schema, config, file);
}
