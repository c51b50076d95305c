import type { Graph, Node, Value } from "../graph.ts";
import { halfOrWhole } from "../ops/emit.ts";

/** What decides whether the runtime's own attention on WebGPU comes out right on an adapter. */
export interface AttentionKind {
  /** Channels of a head. */
  readonly width: number;
  readonly dtype: "float32" | "float16";
}

/** That of an attention, where the runtime has a kernel for it: nothing is masked, heads are read four numbers at a time. */
export function attentionKind({ inputs, attributes }: Node): AttentionKind | undefined {
  const [query, , value] = inputs as [Value, Value, Value];
  const { heads, causal } = attributes as { heads: number; causal: number };
  const width = (query.shape.at(-1) as number) / heads;
  if (causal || value.shape.at(-1) !== query.shape.at(-1) || width % 4 !== 0) return undefined;
  return { width, dtype: halfOrWhole(query) };
}

/** Those of a graph, each once. */
export function attentionKinds(graph: Graph): AttentionKind[] {
  const all = graph.nodes.filter(({ op }) => op === "Attention").map(attentionKind);
  return [...new Map(all.filter((kind) => kind !== undefined).map((kind) => [nameOfKind(kind), kind])).values()];
}

export const nameOfKind = ({ width, dtype }: AttentionKind): string => `${width} ${dtype}`;
