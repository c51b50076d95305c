import { mul, reduceSum, reshape, sub, transpose, type Value } from "../graph/index.ts";

/** The last two axes exchanged. */
export function transposed(x: Value): Value {
  const axes = x.shape.map((_, i) => i);
  return transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

/**
 * The gradient of an operand that was broadcast: summed over the axes that it was copied along.
 *
 * @param matrix how many of the last axes were not broadcast. Default: none
 */
export function unbroadcast(gradient: Value, { shape }: Value, matrix = 0): Value {
  const lead = gradient.shape.length - shape.length;
  const copied = gradient.shape.slice(0, gradient.shape.length - matrix);
  const axes = copied.flatMap((dim, i) => (i < lead || (shape[i - lead] === 1 && dim !== 1) ? [i] : []));
  return axes.length === 0 ? gradient : reshape(reduceSum(gradient, axes), shape);
}

/** Of y = softmax(x), given that of y: y (g − Σ g y). */
export function throughSoftmax(g: Value, y: Value): Value {
  return mul(y, sub(g, reduceSum(mul(g, y), [-1])));
}
