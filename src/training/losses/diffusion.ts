/**
 * The loss of a noise predictor, alone or together with the text encoder that it learns with (Ho et al. 2020, eq. 14; Rombach et al.
 * 2022, eq. 3).
 * B batch, C channels, H × W places of the latent, T tokens.
 */
import type { ClipTextConfig, PredictionType, UnetConfig } from "../../configs/index.ts";
import { add, Graph, include, mul, reduceMean, sub, type Value } from "../../graph/index.ts";
import { clipText, unet } from "../../models/index.ts";

export interface DiffusionLossShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly tokens: number;
}

export interface DiffusionLossConfig {
  readonly unet: UnetConfig;
  /** Of the text encoder where it, or something in it, learns too; without it the loss is told embeddings. */
  readonly text?: ClipTextConfig;
  readonly prediction: PredictionType;
  /** Adds what learns beside a network's own weights. Default: nothing. */
  readonly extend?: (part: "unet" | "text_encoder", network: Graph) => Graph;
  /** How many vectors of pseudo-words learn, "vectors" [N, D]; "places" [B, T, N] then tells where they stand. Default: none. */
  readonly vectors?: number;
}

/**
 * "latents" and "noise" [B, C, H, W], "ids" [B, T] or, where nothing in the text encoder learns, "encoder_hidden_states"
 * [B, T, D], "timesteps" [B], and of each picture's noise level "alpha" = √ᾱ, "sigma" = √(1 − ᾱ) [B, 1, 1, 1] and its "weight"
 * [B, 1, 1, 1] → "loss", the mean of weight · (prediction − target)². Parameters stand under "unet." and "text_encoder.".
 */
export function diffusionLoss(
  config: DiffusionLossConfig,
  { batch, height, width, tokens }: DiffusionLossShape,
): Graph {
  const g = new Graph("diffusion_loss");
  const shape = [batch, config.unet.in_channels, height, width];
  const latents = g.input("latents", "float32", shape);
  const noise = g.input("noise", "float32", shape);
  const { extend = (_, network) => network } = config;
  const dims = { batch, words: tokens };
  const words = config.text
    ? encoded(g, { ...config, extend, text: config.text }, dims)
    : g.input("encoder_hidden_states", "float32", [batch, tokens, config.unet.cross_attention_dim]);
  const timesteps = g.input("timesteps", "float32", [batch]);
  const [alpha, sigma, weight] = ["alpha", "sigma", "weight"].map((name) =>
    g.input(name, "float32", [batch, 1, 1, 1]),
  ) as [Value, Value, Value];

  const noised = add(mul(latents, alpha), mul(noise, sigma));
  const feeds = { sample: noised, timestep: timesteps, encoder_hidden_states: words };
  const { out_sample: prediction } = include(
    g,
    "unet",
    extend("unet", unet(config.unet, { height, width })),
    feeds,
    dims,
  );
  const targets: Record<PredictionType, () => Value> = {
    epsilon: () => noise,
    v_prediction: () => sub(mul(noise, alpha), mul(latents, sigma)),
    sample: () => latents,
  };
  const error = sub(prediction!, targets[config.prediction]());
  const each = reduceMean(mul(error, error), [1, 2, 3]);
  g.output("loss", reduceMean(mul(each, weight), [0, 1, 2, 3], { keep: false }));
  return g;
}

type TextConfig = Required<Pick<DiffusionLossConfig, "text" | "extend">> & Pick<DiffusionLossConfig, "vectors">;

/** What the text encoder makes of "ids" [B, T]. */
function encoded(
  g: Graph,
  { text: config, extend, vectors }: TextConfig,
  dims: { readonly batch: number; readonly words: number },
): Value {
  const { batch, words: tokens } = dims;
  const text = extend("text_encoder", clipText(config, { tokens, pseudoWords: vectors !== undefined }));
  const pseudoWords = vectors !== undefined && {
    places: g.input("places", "float32", [batch, tokens, vectors]),
    vectors: g.parameter("vectors", [vectors, config.hidden_size]),
  };
  const feeds = { input_ids: g.input("ids", "int64", [batch, tokens]), ...pseudoWords };
  return include(g, "text_encoder", text, feeds, { ...dims, ...(vectors && { pseudo_words: vectors }) })[
    "last_hidden_state"
  ]!;
}
