import { copyInto } from "./copy.ts";
import { Graph, type Node, type Value } from "./graph.ts";
import { cast } from "./ops/index.ts";

/** What is nothing but sums of products, with operands and results that 16 bits can hold. */
const PRODUCTS = new Set(["Linear", "MatMul", "Conv", "ConvInputGradient"]);

/** Terms of a sum from which a plain product stays in 32 bits: devices may add up in the type of the operands. */
const LONG = 4096;

/**
 * The same computation with its products in 16-bit floats and all else in 32, as torch's autocast has it (Micikevicius et al. 2018,
 * "Mixed Precision Training"): operands are narrowed, each once, and results widened. Sums over many places, as in the gradients of
 * weights, stay as they are, and so do products that are long sums.
 */
export function productsInFloat16(graph: Graph): Graph {
  const into = new Graph(graph.name);
  const narrowed = new Map<Value, Value>();
  const narrow = (value: Value): Value => {
    const known = narrowed.get(value) ?? cast(value, "float16");
    narrowed.set(value, known);
    return known;
  };
  const rewrite = (node: Node, inputs: readonly (Value | undefined)[]): Value | undefined => {
    const { op, outputs, attributes } = node;
    if (!isShortProduct(node) || !inputs.every((value) => !value || value.dtype === "float32")) return undefined;
    const operands = inputs.map((value) => value && narrow(value));
    const [product] = into.node(op, operands, [{ dtype: "float16", shape: outputs[0]!.shape }], attributes);
    return cast(product!, "float32");
  };
  const moved = copyInto(into, graph, { node: rewrite });
  for (const [name, value] of graph.outputs) into.output(name, moved.get(value)!);
  return into;
}

function isShortProduct({ op, inputs }: Node): boolean {
  if (!PRODUCTS.has(op)) return false;
  const terms = inputs[0]!.shape.at(-1);
  return op !== "MatMul" || (typeof terms === "number" && terms < LONG);
}
