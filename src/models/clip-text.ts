/**
 * CLIP's text transformer (Radford et al. 2021, §2.4) in the layout of transformers' CLIPTextModel and CLIPModel.
 * B batch, T tokens (77, or fewer where the tokenizer's rows are shorter), C channels, P projection.
 */
import type { ClipConfig, ClipTextConfig } from "../configs/index.ts";
import { add, Graph, gather, matmul, mul, neg, reduceSum, reshape, slice, type Value } from "../graph/index.ts";
import { float32, InputError, type Tensor, tensor } from "../tensor/index.ts";
import { clipEncoder } from "./clip-encoder.ts";
import { layerNorm, linear } from "./layers.ts";

/**
 * ids [B, T] int64 → "last_hidden_state" [B, T, C], after the final layer norm.
 * `skip`: how many of the last layers to leave out (Stable Diffusion's "clip skip" minus one); the norm stays.
 * `tokens`: T, the length of the tokenizer's rows. Default: as many as there are positions.
 * `pseudoWords`: two more inputs, "vectors" [N, C] and "places" [B, T, N], see {@link pseudoWordFeeds}: words beside the
 * vocabulary (Gal et al. 2022), so that the table of its vectors stays as it is.
 *
 * @throws InputError for rows that are longer than the model has positions
 */
export function clipText(
  config: ClipTextConfig,
  { skip = 0, tokens = config.max_position_embeddings, pseudoWords = false } = {},
): Graph {
  const { num_hidden_layers: layers } = config;
  if (skip < 0 || skip >= layers) {
    throw new RangeError(`Clip skip leaves out ${skip} of ${layers} layers; at least one has to stay.`);
  }
  const g = new Graph("text_encoder");
  g.output("last_hidden_state", textTransformer(g, config, layers - skip, tokens, pseudoWords));
  return g;
}

/**
 * Ids [B, T] of which those from `vocabSize` on mean one of `count` vectors, as a graph with pseudo-words takes them: "input_ids"
 * with another id in the place of each, and "places" [B, T, N], a one where vector n stands.
 */
export function pseudoWordFeeds(ids: Tensor<"int64">, vocabSize: number, count: number) {
  const places = new Float32Array(ids.data.length * count);
  const known = ids.data.map((id, i) => {
    const row = Number(id) - vocabSize;
    if (row < 0) return id;
    places[i * count + row] = 1;
    return 0n;
  });
  return { input_ids: tensor("int64", ids.shape, known), places: float32([...ids.shape, count], places) };
}

/**
 * The text half of CLIP: ids [B, T] int64 and "ends" [B, 1, T] (see {@link textEnds}) → "text_features" [B, P], not yet
 * of unit length.
 *
 * @throws InputError for rows that are longer than the model has positions
 */
export function clipTextFeatures(
  { text, projection }: Pick<ClipConfig, "text" | "projection">,
  { tokens = text.max_position_embeddings } = {},
): Graph {
  const g = new Graph("clip_text");
  const last = textTransformer(g, text, text.num_hidden_layers, tokens);
  const ends = g.input("ends", "float32", ["batch", 1, tokens]);
  const pooled = g.scope("pooled", () => reshape(matmul(ends, last), ["batch", text.hidden_size]));
  g.output("text_features", linear("text_projection", pooled, projection, { bias: false }));
  return g;
}

/**
 * Where CLIP pools its texts: for each row of `ids` [B, T] a one at its end token, else zeros, [B, 1, T].
 *
 * @param eos the end token's id, at whose first place the text ends; undefined: at the first of the row's largest ids
 */
export function textEnds(ids: Tensor<"int64">, eos: number | undefined): Tensor<"float32"> {
  const [batch, tokens] = ids.shape as [number, number];
  const ends = new Float32Array(batch * tokens);
  for (let row = 0; row < batch; row++) {
    const values = Array.from(ids.data.subarray(row * tokens, (row + 1) * tokens), Number);
    // A row without an end token is pooled at its start, as transformers does.
    ends[row * tokens + Math.max(0, values.indexOf(eos ?? Math.max(...values)))] = 1;
  }
  return float32([batch, 1, tokens], ends);
}

function textTransformer(g: Graph, config: ClipTextConfig, layers: number, tokens: number, pseudoWords = false): Value {
  const { hidden_size: channels, layer_norm_eps: epsilon, max_position_embeddings: positions } = config;
  if (tokens > positions) {
    throw new InputError(
      `The tokenizer makes rows of ${tokens} tokens (model_max_length), but the text encoder has ${positions} positions ` +
        "(max_position_embeddings). The two do not belong together.",
    );
  }
  const ids = g.input("input_ids", "int64", ["batch", tokens]);
  return g.scope("text_model", () => {
    const embedded = g.scope("embeddings", () => {
      const known = gather(g.parameter("token_embedding.weight", [config.vocab_size, channels]), ids);
      const words = pseudoWords ? replaced(known) : known;
      const places = g.parameter("position_embedding.weight", [positions, channels]);
      return add(words, tokens < positions ? slice(places, 0, 0, tokens) : places);
    });
    return layerNorm("final_layer_norm", clipEncoder(embedded, config, { layers, causal: true }), epsilon);
  });
}

/** words [B, T, C] with "vectors" in their "places". */
function replaced(words: Value): Value {
  const { graph: g, shape } = words;
  const [batch, tokens, channels] = shape as [number, number, number];
  const places = g.input("places", "float32", [batch, tokens, "pseudo_words"]);
  const vectors = g.input("vectors", "float32", ["pseudo_words", channels]);
  const kept = add(neg(reduceSum(places, [-1])), 1);
  return add(mul(words, kept), matmul(places, vectors));
}
