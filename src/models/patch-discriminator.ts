/**
 * A judge of patches (Isola et al. 2017, §3.2.2), as Esser et al. 2021 and Rombach et al. 2022 teach their autoencoders with
 * (NLayerDiscriminator of CompVis' taming-transformers, whose names the weights bear).
 * B batch, H × W pixels, C channels.
 */
import { add, div, Graph, mul, reduceMean, relu, reshape, sqrt, sub, type Value } from "../graph/index.ts";
import { conv2d } from "./layers.ts";

/** Channels of the first convolution; each of the next has twice as many, up to eight times. */
const WIDTH = 64;
/** Convolutions that halve the picture. */
const LAYERS = 3;

/** Pixels of the shortest side of which a patch is left. */
export const leastJudged = 24;

/** "image" [B, 3, H, W] in −1…1 → "judgement" [B, 1, H', W'], of each patch: large where it looks real. */
export function patchDiscriminator({ height, width }: { readonly height: number; readonly width: number }): Graph {
  const g = new Graph("discriminator");
  const half = { kernel: 4, stride: 2, padding: 1 } as const;
  const whole = { ...half, stride: 1 } as const;
  const image = g.input("image", "float32", ["batch", 3, height, width]);
  let h = leakyRelu(conv2d("main.0", image, WIDTH, half));
  for (let layer = 1; layer <= LAYERS; layer++) {
    const channels = WIDTH * Math.min(2 ** layer, 8);
    const seen = conv2d(`main.${3 * layer - 1}`, h, channels, { ...(layer < LAYERS ? half : whole), bias: false });
    h = leakyRelu(batchNorm(`main.${3 * layer}`, seen));
  }
  g.output("judgement", conv2d(`main.${3 * LAYERS + 2}`, h, 1, whole));
  return g;
}

/** x where it is above 0, else a fifth of it. */
function leakyRelu(x: Value): Value {
  return add(mul(relu(x), 0.8), mul(x, 0.2));
}

/** Ioffe & Szegedy 2015 as it learns: by the mean and the variance of this very batch. */
function batchNorm(name: string, x: Value): Value {
  const g = x.graph;
  const channels = x.shape[1] as number;
  const each = (parameter: string) => reshape(g.parameter(parameter, [channels]), [channels, 1, 1]);
  return g.scope(name, () => {
    const centred = sub(x, reduceMean(x, [0, 2, 3]));
    const deviation = sqrt(add(reduceMean(mul(centred, centred), [0, 2, 3]), 1e-5));
    return add(mul(div(centred, deviation), each("weight")), each("bias"));
  });
}
