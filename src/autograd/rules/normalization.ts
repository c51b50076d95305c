import {
  add,
  div,
  exp,
  groupNormGradient,
  mul,
  reduceMean,
  reduceSum,
  sqrt,
  sub,
  type Value,
} from "../../graph/index.ts";
import { throughSoftmax } from "../reverse.ts";
import { type GradientRule, single } from "../rule.ts";

/** x with mean 0 and variance 1 over `axes`, and 1 / √(variance + ε); the mean is taken away before squaring. */
function normalized(x: Value, axes: readonly number[], epsilon: number) {
  const centred = sub(x, reduceMean(x, axes));
  const variance = reduceMean(mul(centred, centred), axes);
  const deviation = sqrt(add(variance, epsilon));
  return { unit: div(centred, deviation), deviation };
}

/**
 * The gradient of x where y = unit(x): (g − mean(g) − unit · mean(g · unit)) / deviation, the means over what was
 * normalised together (Ba et al. 2016; Wu & He 2018).
 */
function throughNormalization(g: Value, unit: Value, deviation: Value, axes: readonly number[]): Value {
  const along = mul(unit, reduceMean(mul(g, unit), axes));
  return div(sub(sub(g, reduceMean(g, axes)), along), deviation);
}

const layerNorm: GradientRule = single((node, g, [wantsX]) => {
  const [x, weight] = node.inputs as [Value, Value, Value];
  const { epsilon } = node.attributes as { epsilon: { float: number } };
  const { unit, deviation } = normalized(x, [-1], epsilon.float);
  const lead = g.shape.slice(0, -1).map((_, i) => i);
  return [
    wantsX ? throughNormalization(mul(g, weight), unit, deviation, [-1]) : undefined,
    reduceSum(mul(g, unit), lead, { keep: false }),
    reduceSum(g, lead, { keep: false }),
  ];
});

const groupNorm: GradientRule = single((node, g) => {
  const [x, weight] = node.inputs as [Value, Value, Value];
  return groupNormGradient(g, x, weight, node.attributes);
});

export const normalization: Readonly<Record<string, GradientRule>> = {
  LayerNormalization: layerNorm,
  GroupNorm: groupNorm,
  // g − softmax(x) Σ g
  LogSoftmax: single((node, g) => [sub(g, mul(exp(node.outputs[0]!), reduceSum(g, [-1])))]),
  Softmax: single((node, g) => [throughSoftmax(g, node.outputs[0]!)]),
};
