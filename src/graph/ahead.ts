import type { StoredTensor } from "../tensor/index.ts";
import { type Named, partOf } from "./cut.ts";
import { byteLength, type Graph, type Value } from "./graph.ts";
import { type OnnxModel, toOnnx, type Weight } from "./onnx.ts";

/** Operations that read codes. Made while a graph is loaded, all of them would need all weights at once, widened. */
const READERS = ["com.microsoft.MatMulNBits", "com.microsoft.MatMulIntegerToFloat"];
/** Bytes of weights from which on a network is large: what is made of smaller ones may be in memory all at once. */
const LARGE = 2 ** 30;
/** Bytes that are made at once, unless a layer takes more. */
const PIECE = 2 ** 26;
/** The file that a graph reads of what was made ahead. */
export const MADE_AHEAD = "weights.bin";
/** Before the names of what is made: nodes that are written anew may take theirs. */
const MADE = "made/";
/** Results begin at multiples of so many bytes. */
const ALIGNED = 64;

/**
 * As `toOnnx`, with what follows from weights alone made in pieces before the graph is loaded, each of what a few layers need:
 * of networks with codes, and of large ones. Others are written as ever.
 *
 * @param from bytes of weights from which on a network is large. Default 1 GiB.
 */
export function toOnnxAhead(graph: Graph, weightOf: (name: string) => Weight, from = LARGE): OnnxModel {
  const whole = toOnnx(graph, weightOf);
  const hasCodes = graph.nodes.some(({ op }) => READERS.includes(op));
  if (!hasCodes && whole.weightBytes < from) return whole;
  let bytes = 0;
  const made = new Map<string, StoredTensor>();
  const pieces = piecesOf(graph).map((results) => {
    const places: Record<string, number> = {};
    for (const [name, value] of Object.entries(results)) {
      const { dtype, shape } = value;
      const length = byteLength(value);
      made.set(name, { dtype, shape: shape as number[], file: MADE_AHEAD, offset: bytes, length });
      places[name] = bytes;
      bytes += Math.ceil(length / ALIGNED) * ALIGNED;
    }
    return { results, places };
  });
  const all = Object.assign({}, ...pieces.map(({ results }) => results)) as Named;
  const rest = toOnnx(partOf(graph, Object.fromEntries(graph.outputs), all), weightOf, { made });
  return {
    ...whole,
    ...(hasCodes && { weightBytes: bytes }),
    ahead: {
      graph: rest.bytes,
      location: MADE_AHEAD,
      bytes,
      smaller: hasCodes,
      pieces: pieces.map(({ results, places }) => ({ model: toOnnx(partOf(graph, results), weightOf), places })),
    },
  };
}

/** What follows from weights alone and is read by what does not, by name, in pieces. What a layer reads is in one. */
function piecesOf(graph: Graph): Named[] {
  const fromInputs = new Set<Value>(graph.inputs);
  const fromWeights = new Set<Value>(graph.parameters.values());
  const found = new Set<Value>();
  const pieces: Record<string, Value>[] = [];
  let left = 0;
  const wanted = (values: Iterable<Value>): void => {
    const fresh = [...values].filter((value) => fromWeights.has(value) && !found.has(value));
    if (fresh.length === 0) return;
    if (left <= 0) {
      pieces.push({});
      left = PIECE;
    }
    for (const value of fresh) {
      found.add(value);
      pieces.at(-1)![MADE + value.name] = value;
      left -= byteLength(value);
    }
  };
  for (const { inputs, outputs } of graph.nodes) {
    const operands = inputs.filter((value) => value !== undefined);
    if (operands.some((value) => fromInputs.has(value))) {
      for (const value of outputs) fromInputs.add(value);
      wanted(operands);
    } else if (operands.some((value) => fromWeights.has(value))) {
      for (const value of outputs) fromWeights.add(value);
    }
  }
  wanted(graph.outputs.values());
  return pieces;
}
