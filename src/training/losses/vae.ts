/**
 * The loss of the autoencoder (Kingma & Welling 2014, eq. 10, with L1 in place of the likelihood, as Rombach et al. 2022).
 * B batch, H × W pixels.
 */
import type { VaeConfig } from "../../configs/index.ts";
import { abs, add, exp, Graph, include, mul, reduceMean, reduceSum, sub, type Value } from "../../graph/index.ts";
import { vaeDecoder, vaeEncoder } from "../../models/index.ts";

export interface VaeLossShape {
  readonly batch: number;
  /** Places of the latent. */
  readonly height: number;
  readonly width: number;
  /** Of the divergence from the standard normal distribution. Default 1e-3. */
  readonly klWeight?: number;
}

/** "images" [B, 3, H, W] in −1…1 and standard normal "noise" of the latents' shape → "loss". */
export function vaeLoss(config: VaeConfig, { batch, height, width, klWeight = 1e-3 }: VaeLossShape): Graph {
  const g = new Graph("vae_loss");
  const scale = 2 ** (config.block_out_channels.length - 1);
  const images = g.input("images", "float32", [batch, config.in_channels, height * scale, width * scale]);
  const noise = g.input("noise", "float32", [batch, config.latent_channels, height, width]);
  const size = { height, width };
  const { mean, logvar } = include(g, "", vaeEncoder(config, size), { image: images }, { batch }) as {
    mean: Value;
    logvar: Value;
  };
  const latents = add(mean, mul(exp(mul(logvar, 0.5)), noise));
  const { image } = include(g, "", vaeDecoder(config, size), { latents }, { batch });
  const error = reduceMean(abs(sub(image!, images)), [0, 1, 2, 3], { keep: false });
  const spread = sub(add(mul(mean, mean), exp(logvar)), add(logvar, 1));
  const divergence = mul(reduceSum(spread, [0, 1, 2, 3], { keep: false }), 0.5 / batch);
  g.output("loss", add(error, mul(divergence, klWeight)));
  return g;
}
