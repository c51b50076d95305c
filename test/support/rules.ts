/** A case for every gradient rule, and how each is held to finite differences, on whichever device. */
import { expect } from "vitest";
import { backward } from "../../src/autograd/index.ts";
import * as ops from "../../src/graph/index.ts";
import { Graph, toOnnx, type Value } from "../../src/graph/index.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { CpuGenerator, float32, int64, sizeOf, type Tensor } from "../../src/tensor/index.ts";
import type { Lowered } from "./modules.ts";

export interface RuleCase {
  /** Of the operands with a gradient. */
  readonly shapes: readonly (readonly number[])[];
  /** Where the operands lie: away from the places where a function bends or is not defined. Default: −2…2. */
  readonly range?: readonly [number, number];
  build(operands: readonly Value[], graph: Graph): Value;
}

const unary = (op: (x: Value) => Value, range?: readonly [number, number]): RuleCase => ({
  shapes: [[3, 4]],
  ...(range && { range }),
  build: ([x]) => op(x!),
});
const binary = (op: (a: Value, b: Value) => Value, range?: readonly [number, number]): RuleCase => ({
  shapes: [
    [2, 3, 4],
    [3, 1],
  ],
  ...(range && { range }),
  build: ([a, b]) => op(a!, b!),
});

/** At least one case for every rule, by the operation's name; what is detached has a slope that finite differences do not see. */
export const ruleCases: Readonly<Record<string, readonly RuleCase[]>> = {
  Add: [binary(ops.add)],
  Sub: [binary(ops.sub)],
  Mul: [binary(ops.mul), { shapes: [[3]], build: ([x]) => ops.mul(x!, x!) }],
  Div: [binary(ops.div, [1, 2])],
  Pow: [binary(ops.pow, [0.5, 2])],
  Neg: [unary(ops.neg)],
  Exp: [unary(ops.exp)],
  Log: [unary(ops.log, [0.5, 2])],
  Sqrt: [unary(ops.sqrt, [0.5, 2])],
  Sin: [unary(ops.sin)],
  Cos: [unary(ops.cos)],
  Abs: [unary(ops.abs, [0.5, 2]), unary(ops.abs, [-2, -0.5])],
  Sigmoid: [unary(ops.sigmoid)],
  Tanh: [unary(ops.tanh)],
  Relu: [unary(ops.relu, [0.5, 2]), unary(ops.relu, [-2, -0.5])],
  Erf: [unary(ops.erf)],
  Float32: [unary(ops.inFloat32)],
  Silu: [unary(ops.silu)],
  QuickGelu: [unary(ops.quickGelu)],
  Gelu: [unary(ops.gelu), unary((x) => ops.gelu(x, "tanh"))],
  Cast: [unary((x) => ops.cast(ops.cast(x, "float64"), "float32"))],
  Clip: [unary((x) => ops.clip(x, 0, 3), [0.5, 2]), unary((x) => ops.clip(x, 3, 4), [0.5, 2])],
  MatMul: [
    {
      shapes: [
        [2, 3, 4],
        [4, 5],
      ],
      build: ([a, b]) => ops.matmul(a!, b!),
    },
    {
      shapes: [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
      build: ([a, b]) => ops.matmul(a!, b!),
    },
  ],
  Linear: [{ shapes: [[2, 3, 4], [5, 4], [5]], build: ([x, w, b]) => ops.linear(x!, w!, b!) }],
  Conv: [
    { shapes: [[2, 3, 5, 6], [4, 3, 3, 3], [4]], build: ([x, w, b]) => ops.conv2d(x!, w!, b!, { padding: 1 }) },
    {
      shapes: [
        [1, 2, 7, 6],
        [3, 2, 3, 3],
      ],
      build: ([x, w]) => ops.conv2d(x!, w!, undefined, { stride: 2, padding: [0, 0, 1, 1] }),
    },
  ],
  GroupNorm: [
    { shapes: [[2, 6, 3, 2], [6], [6]], build: ([x, w, b]) => ops.groupNorm(x!, w!, b!, { groups: 3, epsilon: 1e-5 }) },
  ],
  LayerNormalization: [{ shapes: [[2, 3, 8], [8], [8]], build: ([x, w, b]) => ops.layerNorm(x!, w!, b!, 1e-5) }],
  Softmax: [unary(ops.softmax)],
  LogSoftmax: [unary(ops.logSoftmax)],
  Attention: [
    {
      shapes: [
        [2, 3, 8],
        [2, 5, 8],
        [2, 5, 8],
      ],
      build: ([q, k, v]) => ops.attention(q!, k!, v!, { heads: 2 }),
    },
    {
      shapes: [
        [2, 4, 6],
        [2, 4, 6],
        [2, 4, 6],
      ],
      build: ([q, k, v]) => ops.attention(q!, k!, v!, { heads: 3, causal: true }),
    },
  ],
  Reshape: [unary((x) => ops.reshape(x, [2, 6]))],
  Transpose: [{ shapes: [[2, 3, 4]], build: ([x]) => ops.transpose(x!, [2, 0, 1]) }],
  Concat: [
    {
      shapes: [
        [2, 3],
        [2, 4],
      ],
      build: ([a, b]) => ops.concat([a!, b!], 1),
    },
  ],
  Split: [
    { shapes: [[2, 6]], build: ([x]) => ops.split(x!, [1, 2, 3], 1)[1]! },
    { shapes: [[2, 6]], build: ([x]) => ops.mul(...(ops.split(x!, 2, 1) as [Value, Value])) },
  ],
  Slice: [{ shapes: [[2, 6]], build: ([x]) => ops.slice(x!, 1, 1, 4) }],
  Pad: [{ shapes: [[1, 2, 3, 3]], build: ([x]) => ops.padImage(x!, [1, 0, 2, 1]) }],
  ReduceSum: [unary((x) => ops.reduceSum(x, [0])), unary((x) => ops.reduceSum(x, [-1], { keep: false }))],
  ReduceMean: [unary((x) => ops.reduceMean(x, [1])), unary((x) => ops.reduceMean(x, [0, 1], { keep: false }))],
  Gather: [
    // A row that comes twice gets both gradients.
    { shapes: [[4, 3]], build: ([x], g) => ops.gather(x!, g.constant(int64([2, 2], [3, 1, 1, 0]))) },
  ],
  GatherElements: [{ shapes: [[2, 5]], build: ([x], g) => ops.pick(x!, g.constant(int64([2, 1], [3, 0]))) }],
  ResizeNearest: [
    { shapes: [[1, 2, 3, 2]], build: ([x]) => ops.resizeNearest(x!, [6, 4]) },
    { shapes: [[1, 2, 3, 2]], build: ([x]) => ops.resizeNearest(x!, [5, 3]) },
  ],
};

export const noWeights = (): never => {
  throw new Error("The graph has no weights.");
};

/** Σ weight · f(x), in float64 of the float32 output: what is differentiated. */
async function weighed(
  run: (feeds: Record<string, Tensor>) => Promise<Tensor>,
  feeds: Record<string, Tensor>,
  weight: Float32Array,
) {
  const { data } = await run(feeds);
  return (data as Float32Array).reduce((sum, y, i) => sum + y * weight[i]!, 0);
}

/**
 * Holds every gradient of a case, along a random direction, to finite differences of what the same graph gives.
 *
 * @param lowered as gradients are written for the runtime's device
 */
export async function expectRule(
  { shapes, range: [low, high] = [-2, 2], build }: RuleCase,
  runtime: Runtime,
  lowered: Lowered,
): Promise<void> {
  const random = new CpuGenerator(5);
  const graph = new Graph("f");
  const operands = shapes.map((shape, i) => graph.input(`x${i}`, "float32", shape));
  const y = build(operands, graph);
  const shape = y.shape as number[];
  const weight = random.randn([Math.max(16, sizeOf(shape))]).slice(0, sizeOf(shape));
  graph.output("y", y);
  const upstream = graph.input("upstream", "float32", shape);
  const gradients = backward(graph, y, operands, { upstream });
  expect(gradients.size).toBe(operands.length);
  for (const [i, x] of operands.entries()) graph.output(`g${i}`, gradients.get(x)!);
  const session = await runtime.createSession(toOnnx(lowered(graph), noWeights));

  const at = shapes.map((s) => random.rand(s).map((u) => low + (high - low) * u));
  const given = { upstream: float32(shape, weight) };
  const feedsAt = (values: readonly Float32Array[]) => ({
    ...given,
    ...Object.fromEntries(values.map((data, i) => [`x${i}`, float32(shapes[i]!, data)])),
  });
  const outputs = await session.run(feedsAt(at));
  const run = async (feeds: Record<string, Tensor>) => (await session.run(feeds))["y"]!;
  for (const i of shapes.keys()) {
    const way = random.randn([Math.max(16, at[i]!.length)]).slice(0, at[i]!.length);
    const h = 1e-2;
    const moved = (sign: number) => at.map((data, j) => (j === i ? data.map((x, k) => x + sign * h * way[k]!) : data));
    const [above, below] = [
      await weighed(run, feedsAt(moved(1)), weight),
      await weighed(run, feedsAt(moved(-1)), weight),
    ];
    const slope = (outputs[`g${i}`]!.data as Float32Array).reduce((sum, g, k) => sum + g * way[k]!, 0);
    const size = Math.max(1, ...(outputs[`g${i}`]!.data as Float32Array).map(Math.abs));
    expect(Math.abs((above - below) / (2 * h) - slope), `operand ${i}: slope ${slope}`).toBeLessThan(3e-3 * size);
  }
  await session.release();
}
