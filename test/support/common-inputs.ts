import { add, attention, concat, Graph, linear, mul, reshape, silu, slice } from "../../src/graph/index.ts";
import { CpuGenerator, float32, joined, type Tensor } from "../../src/tensor/index.ts";

/** x looks at words after a layer of its own; a skip of it comes back later. */
export function example(): Graph {
  const g = new Graph("example");
  const x = g.input("x", "float32", ["batch", 3, 4]);
  const scale = g.input("scale", "float32", ["batch"]);
  const words = g.input("words", "float32", ["batch", "words", 4]);
  const weight = (name: string) => g.parameter(name, [4, 4]);
  const own = silu(linear(mul(x, reshape(scale, ["batch", 1, 1])), weight("own")));
  const seen = add(attention(own, words, linear(words, weight("value")), { heads: 2 }), own);
  g.output("y", concat([seen, slice(own, 1, 0, 1)], 1));
  g.output("alone", own);
  return g;
}

/** Two of what there is one of. */
export function twice({ shape: [, ...rest], data }: Tensor<"float32">): Tensor<"float32"> {
  return float32([2, ...rest], joined(Float32Array, data, data));
}

const random = new CpuGenerator(3);
export const tensor = (shape: readonly number[]): Tensor<"float32"> => float32(shape, random.randn(shape));
export const weights: Readonly<Record<string, Tensor>> = { own: tensor([4, 4]), value: tensor([4, 4]) };
