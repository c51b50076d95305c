import { copyInto } from "../copy.ts";
import { partOf } from "../cut.ts";
import { Graph, type Node, type Value } from "../graph.ts";
import { lower } from "../lower.ts";
import { add, reduceMean, reshape, slice } from "../ops/index.ts";
import { fixed, type Shape } from "../shape.ts";
import { type ConvolutionForm, convolve } from "./convolutions.ts";
import { cpu } from "./cpu.ts";

/** The path of the nodes that make the input of a convolution alone: what comes after them is the convolution. */
export const INPUT = "input";

export interface AloneOptions {
  readonly form: ConvolutionForm;
  /** What a named batch dimension is taken for. */
  readonly batch: number;
  /** How many numbers there are, at least as many as the input has. */
  readonly count: number;
}

/**
 * A convolution of a graph by itself, written for the CPU in a form, to be measured: numbers [count] → y, its input and
 * result as the form wants them, [B, H, W, C] or, in the direct form, [B, C, H, W]. All the numbers are looked at before
 * it begins, so that no weight is left in the cache that would not be there in a network.
 */
export function convolutionAlone(graph: Graph, node: Node, { form, batch, count }: AloneOptions): Graph {
  const [x] = node.inputs as [Value];
  const part = partOf(graph, { y: node.outputs[0]! }, { x });
  const [, channels, ...places] = x.shape as [unknown, number, ...number[]];
  const shape = form === "direct" ? [batch, channels, ...places] : [batch, ...places, channels];
  const alone = new Graph("convolution");
  const input = inputFrom(alone.input("numbers", "float32", [count]), shape);
  const moved = copyInto(alone, part, {
    input: () => input,
    dims: { [x.shape[0] as string]: batch },
    node: (one, [, weight, bias]) =>
      one.op === "Conv" && form !== "direct" ? convolve(form, [input, weight!, bias], one) : undefined,
  });
  alone.output("y", moved.get(part.outputs.get("y")!)!);
  return lower(alone, cpu);
}

function inputFrom(numbers: Value, shape: Shape): Value {
  const size = shape.reduce<number>((n, _, i) => n * fixed(shape, i, "Conv"), 1);
  return numbers.graph.scope(INPUT, () => add(reshape(slice(numbers, 0, 0, size), shape), reduceMean(numbers, [0])));
}
