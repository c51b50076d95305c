/**
 * CLIP's text transformer (Radford et al. 2021, §2.4) in the layout of transformers' CLIPTextModel.
 * B batch, T tokens (77, or fewer where the tokenizer's rows are shorter), C channels.
 */
import type { ClipTextConfig } from "../configs/index.ts";
import { add, attention, Graph, gather, gelu, quickGelu, slice, type Value } from "../graph/index.ts";
import { InputError } from "../tensor/index.ts";
import { chain, layerNorm, linear } from "./layers.ts";

/**
 * ids [B, T] int64 → "last_hidden_state" [B, T, C], after the final layer norm.
 * `skip`: how many of the last layers to leave out (Stable Diffusion's "clip skip" minus one); the norm stays.
 * `tokens`: T, the length of the tokenizer's rows. Default: as many as there are positions.
 *
 * @throws InputError for rows that are longer than the model has positions
 */
export function clipText(config: ClipTextConfig, { skip = 0, tokens = config.max_position_embeddings } = {}): Graph {
  const { hidden_size: channels, num_hidden_layers: layers, layer_norm_eps: epsilon } = config;
  if (skip < 0 || skip >= layers) {
    throw new RangeError(`Clip skip leaves out ${skip} of ${layers} layers; at least one has to stay.`);
  }
  const positions = config.max_position_embeddings;
  if (tokens > positions) {
    throw new InputError(
      `The tokenizer makes rows of ${tokens} tokens (model_max_length), but the text encoder has ${positions} positions ` +
        "(max_position_embeddings). The two do not belong together.",
    );
  }
  const g = new Graph("text_encoder");
  const ids = g.input("input_ids", "int64", ["batch", tokens]);
  const last = g.scope("text_model", () => {
    const embedded = g.scope("embeddings", () => {
      const words = gather(g.parameter("token_embedding.weight", [config.vocab_size, channels]), ids);
      const places = g.parameter("position_embedding.weight", [positions, channels]);
      return add(words, tokens < positions ? slice(places, 0, 0, tokens) : places);
    });
    const hidden = chain("encoder.layers", embedded, layers - skip, (x) => encoderLayer(x, config));
    return layerNorm("final_layer_norm", hidden, epsilon);
  });
  g.output("last_hidden_state", last);
  return g;
}

function encoderLayer(x: Value, config: ClipTextConfig): Value {
  const { hidden_size: channels, layer_norm_eps: epsilon, num_attention_heads: heads } = config;
  const activation = config.hidden_act === "gelu" ? gelu : quickGelu;
  const g = x.graph;
  const normed = layerNorm("layer_norm1", x, epsilon);
  const attended = g.scope("self_attn", () => {
    const [q, k, v] = ["q_proj", "k_proj", "v_proj"].map((name) => linear(name, normed, channels));
    return linear("out_proj", attention(q!, k!, v!, { heads, causal: true }), channels);
  });
  const h = add(x, attended);
  const normed2 = layerNorm("layer_norm2", h, epsilon);
  const mlp = g.scope("mlp", () =>
    linear("fc2", activation(linear("fc1", normed2, config.intermediate_size)), channels),
  );
  return add(h, mlp);
}
