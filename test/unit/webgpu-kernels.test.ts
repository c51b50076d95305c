/** Which kernels of the runtime stand for what on WebGPU. That they compute it is tested on an adapter (test/webgpu). */
import { describe, expect, test } from "vitest";
import { add, attention, attentionKinds, Graph, lowerFor, type Value } from "../../src/graph/index.ts";
import { resnetBlock, spatialTransformer } from "../../src/models/blocks.ts";
import { layerNorm, linear } from "../../src/models/layers.ts";

function countOf(build: (g: Graph) => Value, attends = false): Record<string, number> {
  const graph = new Graph("kernels");
  graph.output("y", build(graph));
  const lowered = lowerFor("webgpu", graph, { attends: () => attends });
  const counts: Record<string, number> = {};
  for (const { op } of lowered.nodes) {
    const name = op.slice(op.lastIndexOf(".") + 1);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const sequence = (g: Graph, name = "x") => g.input(name, "float32", ["batch", 6, 8]);

describe("one kernel stands for", () => {
  test("a transformer's biases, residuals, norms of sums, and its gate", () => {
    const counts = countOf((g) => {
      const x = g.input("x", "float32", ["batch", 8, 2, 3]);
      const options = { heads: 2, norm: { groups: 2, epsilon: 1e-6 }, linearProjection: true };
      return spatialTransformer(x, g.input("words", "float32", ["batch", 5, 8]), options);
    }, true);
    expect(counts).toMatchObject({ BiasSplitGelu: 1, SkipLayerNormalization: 2, LayerNormalization: 1, BiasAdd: 1 });
    expect(counts).toMatchObject({ MultiHeadAttention: 2, BatchNormalization: 1 });
    // Projections in and out have biases of their own, and the picture is added in the end.
    expect(counts["Add"]).toBe(3);
    for (const gone of ["Gelu", "Split", "Softmax"]) expect(counts[gone]).toBeUndefined();
  });

  test("a group norm's scale and shift", () => {
    const counts = countOf((g) =>
      resnetBlock(g.input("x", "float32", ["batch", 8, 2, 3]), undefined, 8, { groups: 2, epsilon: 1e-5 }),
    );
    expect(counts).toMatchObject({ BatchNormalization: 2, InstanceNormalization: 2, Mul: 2, Add: 1 });
  });
});

describe("is left alone", () => {
  test("a sum of a layer that somebody else reads, too", () => {
    const counts = countOf((g) => {
      const [x, y] = [sequence(g), linear("layer", sequence(g, "h"), 8)];
      g.output("layer", y);
      return add(y, x);
    });
    expect(counts).toMatchObject({ MatMul: 1, Add: 2 });
    expect(counts["BiasAdd"]).toBeUndefined();
  });

  test("a layer without a bias, and one that is spread over others", () => {
    expect(countOf((g) => add(linear("layer", sequence(g), 8, { bias: false }), sequence(g, "r")))["Add"]).toBe(1);
    const row = (g: Graph) => g.input("row", "float32", [1, 1, 8]);
    expect(countOf((g) => add(linear("layer", sequence(g), 8), row(g)))["BiasAdd"]).toBeUndefined();
  });

  test("the norm of what is no sum", () => {
    expect(countOf((g) => layerNorm("norm", linear("layer", sequence(g), 8)))["LayerNormalization"]).toBe(1);
  });
});

test("attention is the runtime's own where that comes out right, and never where it is masked", () => {
  const look = (causal: boolean) => (g: Graph) =>
    attention(sequence(g, "q"), sequence(g, "k"), sequence(g, "v"), { heads: 2, causal });
  expect(countOf(look(false), true)).toEqual({ MultiHeadAttention: 1 });
  expect(countOf(look(false))["Softmax"]).toBe(1);
  expect(countOf(look(true), true)["Softmax"]).toBe(1);
  const graph = new Graph("kinds");
  for (const causal of [true, false, false]) graph.output("y", look(causal)(graph));
  expect(attentionKinds(graph)).toEqual([{ width: 4, dtype: "float32" }]);
});
