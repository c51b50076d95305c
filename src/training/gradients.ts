import { backward } from "../autograd/index.ts";
import {
  add,
  cast,
  concat,
  copyInto,
  Graph,
  mul,
  partOf,
  reduceSum,
  reshape,
  slice,
  type Value,
  waiting,
  zerosLike,
} from "../graph/index.ts";
import { type DType, sizeOf } from "../tensor/index.ts";
import { blockOf } from "./blocks.ts";
import type { PackedParameter, Packing } from "./packing.ts";

export interface GradientOptions {
  /**
   * Gradient checkpointing (Chen et al. 2016): what blocks of a network compute is not kept for the gradients but computed a
   * second time, block by block. Default: it is kept.
   */
  readonly gradientCheckpointing?: boolean;
  /**
   * Whether weights are taken out of their chunks a second time for the gradients: cheap where nothing has to be copied for
   * them to wait. Default false.
   */
  readonly weightsTwice?: boolean;
  /**
   * The type in which a weight that does not learn is stored. It is widened where it is read, each time anew, so that all of them
   * never lie in memory widened. Default: undefined, the weight is read in the type of the loss.
   */
  readonly storedAs?: (name: string) => DType | undefined;
  /** Whether the gradients are those of the loss times an input "loss_scale" []. Default false. */
  readonly scaled?: boolean;
}

/**
 * From a graph with a scalar output "loss" the graph of one step of learning: its inputs and "weights.k" for each chunk of
 * the packing → "loss", "gradients.k", and "square_norm", the sum of the squares of all gradients. Parameters that are not packed do not learn, and stay
 * what they are.
 */
export function gradientGraph(
  loss: Graph,
  { parameters, chunks }: Packing,
  {
    gradientCheckpointing = false,
    weightsTwice = false,
    storedAs = () => undefined,
    scaled = false,
  }: GradientOptions = {},
): Graph {
  const g = new Graph(`${loss.name}_gradients`);
  const weights = chunks.map((length, k) => g.input(`weights.${k}`, "float32", [length]));
  const places = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const values = new Map<string, Value>();
  const named = new Map<Value, PackedParameter>();
  const narrow = new Map<Value, Value>();
  const moved = copyInto(g, loss, {
    parameter: (name, value) => {
      const place = places.get(name);
      if (!place) {
        const stored = g.parameter(name, value.shape as number[], storedAs(name) ?? value.dtype);
        const wide = cast(stored, value.dtype);
        if (wide !== stored) narrow.set(wide, stored);
        return wide;
      }
      const learnt = g.scope(name, () => cut(weights[place.chunk]!, place));
      named.set(learnt, place);
      values.set(name, learnt);
      return learnt;
    },
  });
  const result = moved.get(loss.outputs.get("loss")!)!;
  g.output("loss", result);
  const anew = (x: Value, gradient: Value): Value | undefined => {
    const stored = narrow.get(x);
    if (stored) return cast(waiting(stored, gradient), x.dtype);
    const place = weightsTwice ? named.get(x) : undefined;
    return place && cut(waiting(weights[place.chunk]!, gradient), place);
  };
  const gradients = backward(g, result, values.values(), {
    ...(gradientCheckpointing && { blockOf }),
    anew,
    ...(scaled && { upstream: reshape(g.input("loss_scale", "float32", []), result.shape) }),
  });
  const flat = chunks.map((_, k) => {
    const parts = parameters.flatMap(({ name, shape, chunk }) => {
      if (chunk !== k) return [];
      const value = values.get(name)!;
      return [reshape(gradients.get(value) ?? zerosLike(value), [sizeOf(shape)])];
    });
    return parts.length === 1 ? parts[0]! : concat(parts, 0);
  });
  for (const [k, gradient] of flat.entries()) g.output(`gradients.${k}`, gradient);
  const squares = flat.map((gradient) => reduceSum(mul(gradient, gradient), [0], { keep: false }));
  // ONNX Runtime goes from the last node to what it needs, of several operands to the one that was made last. Told in this
  // order, gradients of the last layers are computed, and what they need is let go, before those of the layers below them.
  g.output("square_norm", squares.toReversed().reduce(add));
  return partOf(g, Object.fromEntries(g.outputs));
}

/** A parameter out of its chunk. */
const cut = (chunk: Value, { offset, shape }: PackedParameter): Value =>
  reshape(slice(chunk, 0, offset, offset + sizeOf(shape)), shape);
