import { add, concat, Graph, mul, reduceSum, reshape, type Value } from "../graph/index.ts";
import { sizeOf } from "../tensor/index.ts";

/*
 * What a sampler computes, where latents stay on the device that the U-Net computes on. N vectors, B rows of a batch,
 * S = C · H · W numbers of a latent.
 */

export interface LatentSumsShape {
  /** Of a latent: [1, C, H, W]. */
  readonly latent: readonly number[];
  /** N */
  readonly vectors: number;
  /** B */
  readonly rows: number;
  /** Whether there are vectors already; without, all but what comes in are 0. */
  readonly begun: boolean;
}

/**
 * Takes something up among the vectors and sums them: "rows" [B, C, H, W], "shares" [B, 1], "place" [N, 1], "weights" [N, 1]
 * and, once there are some, "vectors" [N, S] → "next.vectors", those with place · Σ shareᵢ · rowᵢ added, "sample"
 * [1, C, H, W], their sum by the weights, and "total", the sum of all numbers in the rows, which is finite where they all are.
 *
 * However far a walk has come, the shapes are the same: what a device has to compile it compiles once. Written as products of
 * matrices this takes a software adapter 18 times as long: their kernels are made for more than one row.
 */
export function latentSums({ latent, vectors: count, rows: batch, begun }: LatentSumsShape): Graph {
  const graph = new Graph("latents");
  const size = sizeOf(latent);
  const rows = reshape(graph.input("rows", "float32", [batch, ...latent.slice(1)]), [batch, size]);
  const summed = (weights: Value, vectors: Value) => reduceSum(mul(weights, vectors), [0]);
  const row = summed(graph.input("shares", "float32", [batch, 1]), rows);
  const placed = mul(graph.input("place", "float32", [count, 1]), row);
  const vectors = begun ? add(graph.input("vectors", "float32", [count, size]), placed) : placed;
  const sample = summed(graph.input("weights", "float32", [count, 1]), vectors);
  graph.output("next.vectors", vectors);
  graph.output("sample", reshape(sample, latent));
  graph.output("total", reduceSum(rows, [0, 1], { keep: false }));
  return graph;
}

/** "x" → "y", `times` of it, one after another. */
export function repeated(shape: readonly number[], times: number): Graph {
  const graph = new Graph("repeated");
  const x = graph.input("x", "float32", shape);
  graph.output("y", times === 1 ? x : concat(Array(times).fill(x), 0));
  return graph;
}
