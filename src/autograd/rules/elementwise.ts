import {
  abs,
  add,
  cast,
  cos,
  div,
  erf,
  exp,
  log,
  mul,
  neg,
  positive,
  pow,
  sigmoid,
  sign,
  sin,
  sub,
  tanh,
  type Value,
} from "../../graph/index.ts";
import { float32 } from "../../tensor/index.ts";
import { unbroadcast } from "../reverse.ts";
import { type GradientRule, single } from "../rule.ts";

/** From the operands, the result and its gradient to the gradient of each operand, before broadcasting is undone. */
const binary = (...slopes: ((a: Value, b: Value, y: Value, upstream: Value) => Value)[]): GradientRule =>
  single((node, upstream, wanted) => {
    const [a, b] = node.inputs as [Value, Value];
    const y = node.outputs[0]!;
    return slopes.map((slope, i) => (wanted[i] ? unbroadcast(slope(a, b, y, upstream), [a, b][i]!) : undefined));
  });

/** From the operand and the result to the slope. */
const unary = (slope: (x: Value, y: Value) => Value): GradientRule =>
  single((node, upstream) => [mul(upstream, slope(node.inputs[0]!, node.outputs[0]!))]);

const minus = (from: number, x: Value): Value => sub(x.graph.constant(float32([], [from])), x);

/** d/dx x σ(αx) = σ(αx) (1 + αx (1 − σ(αx))) */
const gated = (alpha: number): GradientRule =>
  unary((x) => {
    const ax = mul(x, alpha);
    const gate = sigmoid(ax);
    return mul(gate, add(mul(ax, minus(1, gate)), 1));
  });

/** Φ(x) + x φ(x) */
function exactGelu(x: Value): Value {
  const below = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(below, mul(x, density));
}

/** Of x/2 (1 + t), t = tanh(√(2/π) (x + 0.044715 x³)): (1 + t)/2 + x/2 (1 − t²) √(2/π) (1 + 3 · 0.044715 x²). */
function tanhGelu(x: Value): Value {
  const [scale, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = mul(x, x);
  const t = tanh(mul(mul(x, add(mul(square, cubic), 1)), scale));
  const inner = mul(add(mul(square, 3 * cubic), 1), scale);
  return mul(add(add(t, 1), mul(mul(x, minus(1, mul(t, t))), inner)), 0.5);
}

export const elementwise: Readonly<Record<string, GradientRule>> = {
  Add: binary(
    (_a, _b, _y, g) => g,
    (_a, _b, _y, g) => g,
  ),
  Sub: binary(
    (_a, _b, _y, g) => g,
    (_a, _b, _y, g) => neg(g),
  ),
  Mul: binary(
    (_a, b, _y, g) => mul(g, b),
    (a, _b, _y, g) => mul(g, a),
  ),
  Div: binary(
    (_a, b, _y, g) => div(g, b),
    (_a, b, y, g) => neg(div(mul(g, y), b)),
  ),
  Pow: binary(
    (a, b, _y, g) => mul(g, mul(b, pow(a, sub(b, 1)))),
    (a, _b, y, g) => mul(g, mul(y, log(a))),
  ),
  Neg: single((_, g) => [neg(g)]),
  Exp: unary((_, y) => y),
  Log: single((node, g) => [div(g, node.inputs[0]!)]),
  Sqrt: single((node, g) => [div(mul(g, 0.5), node.outputs[0]!)]),
  Sin: unary((x) => cos(x)),
  Cos: unary((x) => neg(sin(x))),
  Abs: unary((x) => sign(x)),
  Sigmoid: unary((_, y) => mul(y, minus(1, y))),
  Tanh: unary((_, y) => minus(1, mul(y, y))),
  Relu: unary((x) => positive(x)),
  Erf: unary((x) => mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI))),
  Silu: gated(1),
  QuickGelu: gated(1.702),
  Gelu: single((node, g) => {
    const x = node.inputs[0]!;
    return [mul(g, node.attributes["approximate"] === "tanh" ? tanhGelu(x) : exactGelu(x))];
  }),
  Float32: single((_, g) => [g]),
  Detach: () => [undefined],
  Cast: single((node, g) => [cast(g, node.inputs[0]!.dtype)]),
  // Nothing comes back from outside the bounds; torch lets the bounds themselves through.
  Clip: single((node, g) => {
    const [x, low, high] = node.inputs as [Value, Value, Value];
    const [middle, half] = [mul(add(low, high), 0.5), mul(sub(high, low), 0.5)];
    const outside = positive(sub(abs(sub(x, middle)), half));
    return [mul(g, minus(1, outside)), undefined, undefined];
  }),
};
