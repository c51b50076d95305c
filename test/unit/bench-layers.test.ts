/** What the profile of a session says of its layers. */
import { describe, expect, it } from "vitest";
import { add, Graph } from "../../src/graph/index.ts";
import { conv2d, groupNorm, linear } from "../../src/models/layers.ts";

const { bytesOf, classesOf, cellsOf, fastestRun, flopsOf, layersOf } = await import(
  new URL("../../bench/layers.mjs", import.meta.url).href
);

type Shape = readonly number[];

function event(name: string, op: string, dur: number, inputs: Shape[], output: Shape) {
  const typed = (shape: Shape) => ({ float: shape });
  const args = { op_name: op, input_type_shape: inputs.map(typed), output_type_shape: [typed(output)] };
  return { cat: "Node", name: `${name}_kernel_time`, dur, args };
}
const end = (dur: number) => ({ cat: "Session", name: "model_run", dur, args: {} });
const nodesOf = (...events: object[]) => fastestRun([...events, end(1)]).nodes;

it("the fastest run after the first is taken", () => {
  const add = (dur: number) => event("a/Add", "Add", dur, [[2], [2]], [2]);
  const { seconds, nodes } = fastestRun([add(1), end(2), add(5), end(7), add(4), end(6)]);
  expect(seconds).toBeCloseTo(6e-6);
  expect(nodes).toEqual([expect.objectContaining({ path: "a", op: "Add", seconds: 4e-6 })]);
  expect(() => fastestRun([])).toThrow("no run");
});

describe("a node's arithmetic", () => {
  it.each([
    ["Conv", [[2, 4, 8, 8], [16, 4, 3, 3], [16]], [2, 16, 8, 8], 2 * 2 * 16 * 64 * 4 * 9],
    [
      "MatMul",
      [
        [2, 10, 32],
        [32, 64],
      ],
      [2, 10, 64],
      2 * 20 * 32 * 64,
    ],
    // The second operand is packed and not told; the first is transposed.
    ["FusedMatMul", [[2, 32, 10]], [2, 10, 64], 2 * 20 * 32 * 64],
    [
      "MatMul",
      [
        [36, 16, 8],
        [36, 8, 5],
      ],
      [36, 16, 5],
      2 * 36 * 16 * 8 * 5,
    ],
    ["Gemm", [[2, 32], [64]], [2, 64], 2 * 2 * 32 * 64],
    [
      "MultiHeadAttention",
      [
        [2, 10, 32],
        [2, 7, 32],
        [2, 7, 32],
      ],
      [2, 10, 32],
      4 * 2 * 10 * 7 * 32,
    ],
    [
      "MultiHeadAttention",
      [
        [2, 10, 32],
        [2, 4, 7, 8],
        [2, 4, 7, 8],
      ],
      [2, 10, 32],
      4 * 2 * 10 * 7 * 32,
    ],
    ["Add", [[2, 10], [10]], [2, 10], 0],
  ])("%s of %j", (op, inputs, output, flops) => {
    const [node] = nodesOf(event("x/y", op, 1, inputs, output));
    expect(flopsOf(node)).toBe(flops);
  });

  it("and its traffic: packed weights count, views do not", () => {
    const [packed, told, view] = nodesOf(
      event("a/MatMul", "MatMul", 1, [[10, 32]], [10, 64]),
      event(
        "a/MatMul",
        "MatMul",
        1,
        [
          [10, 32],
          [32, 64],
        ],
        [10, 64],
      ),
      event("a/Reshape", "Reshape", 1, [[10, 32]], [320]),
    );
    expect(bytesOf(packed)).toBe(4 * (320 + 2048 + 640));
    expect(bytesOf(told)).toBe(bytesOf(packed));
    expect(bytesOf(view)).toBe(0);
  });
});

it("nodes become classes of layers, whatever a layer was written as", () => {
  const g = new Graph("g");
  const x = g.input("x", "float32", ["batch", 32, 8, 8]);
  const h = g.scope("block", () => conv2d("conv", groupNorm("norm", x, { groups: 4, epsilon: 1e-5 }), 32));
  const words = linear("to_k", g.input("words", "float32", ["batch", "words", 16]), 32);
  g.output("words_out", words);
  g.output("out", conv2d("conv_out", add(h, x), 4));
  const layers = layersOf(g, { batch: 2, words: 77 });

  const direct = 2 * 2 * 32 * 64 * 32 * 9;
  const image = [2, 32, 8, 8];
  const nodes = nodesOf(
    event("block.norm/Sub", "Sub", 10, [image], image),
    event("block.norm/Mul", "Mul", 10, [image], image),
    // As Winograd's algorithm: transforms around one product for each of 36 places of a tile.
    event("block.conv/Pad", "Pad", 10, [image], image),
    event(
      "block.conv/MatMul",
      "MatMul",
      50,
      [
        [36, 8, 32],
        [36, 32, 32],
      ],
      [36, 8, 32],
    ),
    event("Add", "Add", 5, [image, image], image),
    event("to_k/MatMul", "MatMul", 5, [[2, 77, 16]], [2, 77, 32]),
    // Half of a layer, written where its result is used.
    event("ff/MatMul", "FusedMatMul", 1, [[2, 77, 16]], [2, 77, 8]),
    event("out_nchwc", "Conv", 20, [image, [4, 32, 3, 3]], [2, 4, 8, 8]),
  );
  const roof = { peak: 100, bandwidth: 10 };
  const classes = classesOf(nodes, layers, roof);
  const found = Object.fromEntries(classes.map((one: { name: string }) => [one.name, one]));
  expect(Object.keys(found)).toEqual([
    "conv 3×3 32→32, 8×8",
    "group norm 32, 8×8",
    "conv 3×3 32→4, 8×8",
    "Add",
    "linear 16→32, 154 rows",
    "linear 16→8, 154 rows",
  ]);
  const conv = found["conv 3×3 32→32, 8×8"];
  expect(conv).toMatchObject({ layers: 1, direct, flops: 2 * 36 * 8 * 32 * 32 });
  expect(conv.seconds).toBeCloseTo(60e-6);
  const productBytes = 4 * (36 * 8 * 32 + 36 * 32 * 32 + 36 * 8 * 32);
  expect(conv.least).toBeCloseTo(productBytes / 10e9 + (2 * 4 * 4096) / 10e9);
  expect(conv.bounds).toBe("memory");
  expect(found["conv 3×3 32→4, 8×8"].bounds).toBe("arithmetic");
  expect(found["linear 16→32, 154 rows"].direct).toBe(2 * 154 * 16 * 32);
  expect(found["linear 16→8, 154 rows"]).toMatchObject({ layers: 1, direct: 2 * 154 * 16 * 8 });

  const byKind = classesOf(nodes, layers, roof, false);
  expect(byKind[0]).toMatchObject({ name: "conv 3×3", layers: 2 });
  const cells = cellsOf(classes, 0.1);
  expect(cells.map(([name]: string[]) => name)).toEqual([
    "layers",
    "conv 3×3 32→32, 8×8",
    "group norm 32, 8×8",
    "conv 3×3 32→4, 8×8",
    "3 others",
    "all",
  ]);
  expect(cells.at(-1)[2]).toBe("0.1");
});
