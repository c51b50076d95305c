import { add, attention, gelu, quickGelu, type Value } from "../graph/index.ts";
import { chain, layerNorm, linear } from "./layers.ts";

/** What both of CLIP's towers say of their layers. */
export interface ClipEncoderConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly hidden_act: "gelu" | "quick_gelu";
  readonly layer_norm_eps: number;
}

/** The first `layers` layers of a CLIPEncoder, norms first (Radford et al. 2021, §2.4): x [B, T, C] → [B, T, C]. */
export function clipEncoder(
  x: Value,
  config: ClipEncoderConfig,
  { layers, causal }: { readonly layers: number; readonly causal: boolean },
): Value {
  return chain("encoder.layers", x, layers, (hidden) => encoderLayer(hidden, config, causal));
}

function encoderLayer(x: Value, config: ClipEncoderConfig, causal: boolean): Value {
  const { hidden_size: channels, layer_norm_eps: epsilon, num_attention_heads: heads } = config;
  const activation = config.hidden_act === "gelu" ? gelu : quickGelu;
  const g = x.graph;
  const normed = layerNorm("layer_norm1", x, epsilon);
  const attended = g.scope("self_attn", () => {
    const [q, k, v] = ["q_proj", "k_proj", "v_proj"].map((name) => linear(name, normed, channels));
    return linear("out_proj", attention(q!, k!, v!, { heads, causal }), channels);
  });
  const h = add(x, attended);
  const normed2 = layerNorm("layer_norm2", h, epsilon);
  const mlp = g.scope("mlp", () =>
    linear("fc2", activation(linear("fc1", normed2, config.intermediate_size)), channels),
  );
  return add(h, mlp);
}
