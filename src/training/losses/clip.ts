/**
 * The contrastive loss of pictures and their texts (Radford et al. 2021, figure 3).
 * B batch, T tokens, S pixels of a side, P projection.
 */
import type { ClipConfig } from "../../configs/index.ts";
import {
  add,
  clip,
  div,
  exp,
  Graph,
  include,
  logSoftmax,
  matmul,
  mul,
  neg,
  reduceMean,
  reduceSum,
  sqrt,
  transpose,
  type Value,
} from "../../graph/index.ts";
import { clipTextFeatures, clipVision } from "../../models/index.ts";
import { float32 } from "../../tensor/index.ts";

/** Cosines are multiplied by 100 at most, or learning grows unsteady (Radford et al. 2021, §2.5). */
const MOST = Math.log(100);

export interface ClipLossShape {
  readonly batch: number;
  readonly tokens: number;
}

/** "pixels" [B, 3, S, S], "ids" [B, T] and their "ends" [B, 1, T] (see `textEnds`) → "loss", the mean over both directions. */
export function clipLoss(config: ClipConfig, { batch, tokens }: ClipLossShape): Graph {
  const g = new Graph("clip_loss");
  const { num_channels: channels, image_size: side } = config.vision;
  const pixels = g.input("pixels", "float32", [batch, channels, side, side]);
  const ids = g.input("ids", "int64", [batch, tokens]);
  const ends = g.input("ends", "float32", [batch, 1, tokens]);
  const images = include(g, "", clipVision(config), { pixel_values: pixels }, { batch })["image_features"]!;
  const texts = include(g, "", clipTextFeatures(config, { tokens }), { input_ids: ids, ends }, { batch })[
    "text_features"
  ]!;
  const cosines = matmul(unit(texts), transpose(unit(images), [1, 0]));
  const logits = mul(cosines, exp(clip(g.parameter("logit_scale", []), -MOST, MOST)));
  const both = add(diagonal(logSoftmax(logits), batch), diagonal(logSoftmax(transpose(logits, [1, 0])), batch));
  g.output("loss", mul(neg(both), 0.5));
  return g;
}

function unit(x: Value): Value {
  return div(x, sqrt(reduceSum(mul(x, x), [-1])));
}

/** The mean of the diagonal of x [B, B]. */
function diagonal(x: Value, batch: number): Value {
  const identity = Float32Array.from({ length: batch * batch }, (_, i) => (i % (batch + 1) === 0 ? 1 : 0));
  const own = reduceSum(mul(x, float32([batch, batch], identity)), [1], { keep: false });
  return reduceMean(own, [0], { keep: false });
}
