/**
 * CLIP's vision transformer (Radford et al. 2021, §2.4; Dosovitskiy et al. 2021) in the layout of transformers' CLIPModel.
 * B batch, S pixels of a side, N patches, C channels, P projection.
 */
import type { ClipConfig } from "../configs/index.ts";
import { add, Graph, padImage, reshape, slice } from "../graph/index.ts";
import { clipEncoder } from "./clip-encoder.ts";
import { conv2d, layerNorm, linear, toSequence } from "./layers.ts";

/** Normalised pixels "pixel_values" [B, 3, S, S] → "image_features" [B, P], not yet of unit length. */
export function clipVision({ vision, projection }: Pick<ClipConfig, "vision" | "projection">): Graph {
  const { hidden_size: channels, layer_norm_eps: epsilon, image_size: side, patch_size: patch } = vision;
  const patches = Math.floor(side / patch) ** 2;
  const g = new Graph("clip_vision");
  const pixels = g.input("pixel_values", "float32", ["batch", vision.num_channels, side, side]);
  const pooled = g.scope("vision_model", () => {
    const embedded = g.scope("embeddings", () => {
      const options = { kernel: patch, stride: patch, padding: 0, bias: false };
      const seen = toSequence(conv2d("patch_embedding", pixels, channels, options)); // [B, N, C]
      // The class token stands before the patches: as zeros there, and its embedding among the places.
      const token = reshape(g.parameter("class_embedding", [channels]), [1, channels]);
      const places = g.parameter("position_embedding.weight", [patches + 1, channels]);
      return add(padImage(seen, [1, 0, 0, 0]), add(padImage(token, [0, 0, patches, 0]), places)); // [B, 1 + N, C]
    });
    const normed = layerNorm("pre_layrnorm", embedded, epsilon); // published with this spelling
    const hidden = clipEncoder(normed, vision, { layers: vision.num_hidden_layers, causal: false });
    return layerNorm("post_layernorm", reshape(slice(hidden, 1, 0, 1), ["batch", channels]), epsilon);
  });
  g.output("image_features", linear("visual_projection", pooled, projection, { bias: false }));
  return g;
}
