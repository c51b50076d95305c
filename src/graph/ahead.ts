import type { StoredTensor } from "../tensor/index.ts";
import { type Named, partOf } from "./cut.ts";
import { byteLength, type Graph, type Value } from "./graph.ts";
import { type OnnxModel, toOnnx, type Weight } from "./onnx.ts";

/** Operations that read codes. Made while a graph is loaded, all of them would need all weights at once, widened. */
const READERS = ["com.microsoft.MatMulNBits", "com.microsoft.MatMulIntegerToFloat"];
/** The file, which lies nowhere, that a graph reads its codes of. */
const LOCATION = "made-ahead";
/** Before the names of codes, and of weights that are only widened: nodes that are written anew may take theirs. */
const [CODES, EXACT] = ["codes/", "exact/"];
/** Results begin at multiples of so many bytes. */
const ALIGNED = 64;

/**
 * As `toOnnx`, with the codes of weights made in pieces before the graph is loaded, each of what one layer needs. A graph
 * without codes is written as ever.
 */
export function toOnnxAhead(graph: Graph, weightOf: (name: string) => Weight): OnnxModel {
  const layers = codesOf(graph);
  if (layers.length === 0) return toOnnx(graph, weightOf);
  const codes = Object.assign({}, ...layers) as Named;
  const rest = partOf(graph, Object.fromEntries(graph.outputs), codes);
  // The runtime takes all weights of a graph from files, or none: what stays exact is made ahead as well.
  const exact = Object.fromEntries(
    [...rest.parameters.keys()].map((name) => [EXACT + name, graph.parameters.get(name)!]),
  );
  let bytes = 0;
  const made = new Map<string, StoredTensor>();
  const pieces = [...layers, ...(rest.parameters.size > 0 ? [exact] : [])].map((results) => {
    const places: Record<string, number> = {};
    for (const [name, value] of Object.entries(results)) {
      const { dtype, shape } = value;
      const length = byteLength(value);
      made.set(name, { dtype, shape: shape as number[], file: LOCATION, offset: bytes, length });
      places[name] = bytes;
      bytes += Math.ceil(length / ALIGNED) * ALIGNED;
    }
    return { model: toOnnx(partOf(graph, results), weightOf), places };
  });
  const model = toOnnx(rest, (name) => made.get(EXACT + name)!, { made });
  return { ...model, locations: [], weightBytes: bytes, ahead: { location: LOCATION, bytes, pieces } };
}

/** What follows from weights alone and is read as codes, by name, layer by layer. */
function codesOf(graph: Graph): Named[] {
  const fromInputs = new Set<Value>(graph.inputs);
  const computed = new Set<Value>();
  const found = new Set<Value>();
  const layers: Named[] = [];
  for (const { op, inputs, outputs } of graph.nodes) {
    const operands = inputs.filter((value) => value !== undefined);
    if (operands.some((value) => fromInputs.has(value))) for (const value of outputs) fromInputs.add(value);
    else for (const value of outputs) computed.add(value);
    if (!READERS.includes(op)) continue;
    const fresh = operands.filter((value) => computed.has(value) && !found.has(value));
    for (const value of fresh) found.add(value);
    if (fresh.length > 0) layers.push(Object.fromEntries(fresh.map((value) => [CODES + value.name, value])));
  }
  return layers;
}
