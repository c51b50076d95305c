import {
  convAttributes,
  convInputGradient,
  convWeightGradient,
  type Dim,
  fixed,
  matmul,
  reduceSum,
  reshape,
  type Value,
} from "../../graph/index.ts";
import { transposed, unbroadcast } from "../reverse.ts";
import { type GradientRule, single } from "../rule.ts";

const product: GradientRule = single((node, g, [wantsA, wantsB]) => {
  const [a, b] = node.inputs as [Value, Value];
  return [
    wantsA ? unbroadcast(matmul(g, transposed(b)), a, 2) : undefined,
    wantsB ? unbroadcast(matmul(transposed(a), g), b, 2) : undefined,
  ];
});

/** All axes but the last as one, where they are known; the weight's gradient is then one matrix product. */
function rows(x: Value): Value {
  const lead = x.shape.slice(0, -1);
  if (lead.length === 1 || !lead.every((dim) => typeof dim === "number")) return x;
  const count = (lead as number[]).reduce((n, dim) => n * dim, 1);
  return reshape(x, [count, x.shape.at(-1)!]);
}

const linear: GradientRule = single((node, g, [wantsX, wantsWeight, wantsBias]) => {
  const [x, weight] = node.inputs as [Value, Value];
  const lead = g.shape.slice(0, -1).map((_: Dim, i) => i);
  const weightGradient = () => {
    const each = matmul(transposed(rows(g)), rows(x));
    const more = each.shape.slice(0, -2).map((_, i) => i);
    return more.length > 0 ? reduceSum(each, more, { keep: false }) : each;
  };
  return [
    wantsX ? matmul(g, weight) : undefined,
    wantsWeight ? weightGradient() : undefined,
    wantsBias ? reduceSum(g, lead, { keep: false }) : undefined,
  ];
});

const conv: GradientRule = single((node, g, [wantsX, wantsWeight, wantsBias]) => {
  const [x, weight] = node.inputs as [Value, Value];
  const attributes = convAttributes(node);
  for (const axis of [2, 3]) fixed(x.shape, axis, `The gradient of "${node.name}"`);
  return [
    wantsX ? convInputGradient(g, weight, x.shape, attributes) : undefined,
    wantsWeight ? convWeightGradient(g, x, weight.shape, attributes) : undefined,
    wantsBias ? reduceSum(g, [0, 2, 3], { keep: false }) : undefined,
  ];
});

export const linearAlgebra: Readonly<Record<string, GradientRule>> = { MatMul: product, Linear: linear, Conv: conv };
