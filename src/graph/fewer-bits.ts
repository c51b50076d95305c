import { sizeOf } from "../tensor/index.ts";
import type { Graph } from "./graph.ts";
import { type Lowering, lower } from "./lower.ts";
import { emit } from "./ops/emit.ts";
import { add, mul } from "./ops/index.ts";
import { fixed } from "./shape.ts";

/** How many bits a weight may be kept in. */
export type WeightBits = 8 | 4;

/** Numbers along the sum that share a scale. Every width of the published networks is a multiple of it. */
export const BLOCK = 32;

/** What operations are called whose weight is kept in fewer bits; lowerings/fewer-bits.ts writes them. */
export const IN_BITS = { Linear: "LinearInBits", MatMul: "MatMulInBits", Conv: "ConvInBits" } as const;

/** In how many bits a weight is kept, by its name and how many numbers it has; undefined: as it is. */
export type BitsOf = (name: string, count: number) => WeightBits | undefined;

/**
 * The same computation with the weights of its matrix products and convolutions in 8 or 4 bits: a code for each and a scale
 * for every {@link BLOCK} along the sum; x is rounded to 8 bits likewise as it comes. About a quarter or a seventh of the
 * memory, and not the same numbers. Sums that do not divide into blocks stay as they are.
 *
 * Parameters keep their names and shapes. Nodes make the codes of them, whatever type they are stored in: ahead of the graph
 * (`toOnnxAhead`), or folded away when it is loaded.
 */
export function inFewerBits(graph: Graph, bitsOf: BitsOf): Graph {
  /** @param summed the weight's axis that is summed over */
  const marked =
    (summed: number): Lowering =>
    ({ op, outputs: [type], attributes }, inputs) => {
      const weight = inputs[1]!;
      const isWeight = weight.graph.parameters.get(weight.name) === weight;
      const bits = isWeight ? bitsOf(weight.name, sizeOf(weight.shape as number[])) : undefined;
      if (!bits || fixed(weight.shape, summed, op) % BLOCK !== 0) return emit(op, inputs, type!, attributes);
      return emit(IN_BITS[op as keyof typeof IN_BITS], inputs, type!, { ...attributes, bits });
    };
  const kept = lower(graph, { Linear: marked(1), MatMul: marked(0), Conv: marked(1) });
  showDamage(kept);
  return kept;
}

/**
 * Rounded to codes, a number that is none becomes one. What an exact weight that is not finite would do to x has to show all
 * the same: it becomes a part of what is computed last. Rows that are looked up are left out, as most are not.
 */
function showDamage(graph: Graph): void {
  const ops: readonly string[] = [...Object.values(IN_BITS), "Gather"];
  const rounded = graph.nodes.filter(({ op }) => ops.includes(op));
  if (!rounded.some(({ op }) => op !== "Gather")) return;
  const elsewhere = new Set(rounded.map(({ inputs: [first, second], op }) => (op === "Gather" ? first : second)));
  const exact = [...graph.parameters.values()].filter((weight) => !elsewhere.has(weight));
  const computed = graph.nodes.flatMap(({ outputs }) => outputs);
  const [name, last] = [...graph.outputs].reduce((a, b) => (computed.indexOf(b[1]) > computed.indexOf(a[1]) ? b : a));
  if (exact.length === 0 || last.dtype !== "float32") return;
  const nothing = exact.map((weight) =>
    mul(emit("ReduceSum", [weight], { dtype: "float32", shape: [] }, { keepdims: 0 }), 0),
  );
  graph.output(name, add(last, nothing.reduce(add)));
}
