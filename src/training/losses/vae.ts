/**
 * The loss of the autoencoder (Kingma & Welling 2014, eq. 10, with L1 in place of the likelihood, as Rombach et al. 2022).
 * B batch, H × W pixels.
 */
import type { VaeConfig } from "../../configs/index.ts";
import { abs, add, exp, Graph, include, mul, reduceMean, reduceSum, sub, type Value } from "../../graph/index.ts";
import { vaeDecoder, vaeEncoder } from "../../models/index.ts";
import type { Distance } from "../limits.ts";
import { adversary } from "./adversary.ts";

const DISTANCES: Readonly<Record<Distance, (difference: Value) => Value>> = { l1: abs, l2: (x) => mul(x, x) };

export interface VaeLossShape {
  readonly batch: number;
  /** Places of the latent. */
  readonly height: number;
  readonly width: number;
  /** Default "l1". */
  readonly distance?: Distance;
  /** Of the divergence from the standard normal distribution. Default 1e-3. */
  readonly klWeight?: number;
  /** Of the opinion of a discriminator that learns along (see `adversary`). Default: there is none. */
  readonly adversary?: number;
}

/**
 * "images" [B, 3, H, W] in −1…1 and standard normal "noise" of the latents' shape → "loss", the mean distance of all values and the
 * divergence of a picture. With a discriminator one more input: "judged" [], 1 where it takes part, 0 where it does not yet.
 */
export function vaeLoss(
  config: VaeConfig,
  { batch, height, width, distance = "l1", klWeight = 1e-3, adversary: weight = 0 }: VaeLossShape,
): Graph {
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
  const error = reduceMean(DISTANCES[distance](sub(image!, images)), [0, 1, 2, 3], { keep: false });
  const spread = sub(add(mul(mean, mean), exp(logvar)), add(logvar, 1));
  const divergence = mul(reduceSum(spread, [0, 1, 2, 3], { keep: false }), 0.5 / batch);
  const loss = add(error, mul(divergence, klWeight));
  if (weight === 0) {
    g.output("loss", loss);
    return g;
  }
  const last = g.parameters.get("decoder.conv_out.weight")!;
  const opinion = adversary({ real: images, made: image!, error, last, weight });
  g.output("loss", add(loss, mul(opinion, g.input("judged", "float32", []))));
  return g;
}
