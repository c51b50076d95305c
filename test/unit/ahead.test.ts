/** What is made of weights before a graph is loaded: which networks, which weights, in what pieces. */
import { describe, expect, test } from "vitest";
import {
  add,
  Graph,
  inFewerBits,
  linear,
  lowerFor,
  type OnnxModel,
  toOnnx,
  toOnnxAhead,
} from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, type StoredTensor } from "../../src/tensor/index.ts";

const MIB = 2 ** 20;

/** Layers of `width` one after another, the last with the first one's weight once more, and beside them the weight itself. */
function layers(width: number, count: number): Graph {
  const g = new Graph("layers");
  const weight = (i: number) => g.parameter(`${i}.weight`, [width, width]);
  let x = g.input("x", "float32", ["rows", width]);
  for (let i = 0; i < count; i++) x = linear(x, weight(i), g.parameter(`${i}.bias`, [width]));
  g.output("y", add(linear(x, weight(0)), x));
  g.output("plain", weight(0));
  g.output("twice", add(weight(0), weight(0)));
  return g;
}

/** In a file that is not there: nobody reads it here. */
const stored = (graph: Graph) => (name: string) => {
  const shape = graph.parameters.get(name)!.shape as number[];
  const length = shape.reduce((n, dim) => n * dim, 2);
  return { dtype: "float16", shape, file: "/nowhere/w.safetensors", offset: 0, length } satisfies StoredTensor;
};
const written = (graph: Graph, from?: number): OnnxModel => toOnnxAhead(graph, stored(graph), from);
const names = ({ ahead }: OnnxModel) => ahead!.pieces.map(({ places }) => Object.keys(places));

describe("what is made ahead", () => {
  test("of a large network are all of its weights, each once, and the graph names their file no more", () => {
    const graph = lowerFor("cpu", layers(64, 3));
    const { ahead, ...whole } = written(graph, 0);
    expect(whole).toEqual(toOnnx(graph, stored(graph)));
    const all = names({ ...whole, ahead }).flat();
    expect(new Set(all).size).toBe(all.length);
    const parameters = [...graph.parameters.keys()].map((name) => `made/${name}`);
    expect(all).toEqual(expect.arrayContaining(parameters));
    // Beside them the sum alone has to be computed.
    expect(all).toHaveLength(parameters.length + 1);
    const [graphs, files] = [
      [ahead!.graph, whole.bytes],
      ["weights.bin", "w.safetensors"],
    ];
    const named = graphs.map((graph) => files.map((file) => Buffer.from(graph).includes(file)));
    expect(named).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(ahead!.smaller).toBe(false);
  });

  test("comes in pieces of some 64 MiB, and lies one behind the other", () => {
    const model = written(lowerFor("cpu", layers(2048, 9)), 0);
    const large = names(model).map((piece) => piece.filter((name) => name.endsWith("weight")).length);
    // 16 MiB each, and one more for the sum.
    expect(large).toEqual([4, 4, 1]);
    const places = model.ahead!.pieces.flatMap((piece) => Object.values(piece.places));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places.every((place) => place % 64 === 0)).toBe(true);
    expect(model.ahead!.bytes).toBeGreaterThanOrEqual(160 * MIB);
    expect(model.ahead!.bytes).toBeLessThan(161 * MIB);
  });

  test("is nothing of a network below 1 GiB, unless it reads codes", () => {
    const graph = layers(1024, 4);
    expect(written(lowerFor("cpu", graph))).toEqual(toOnnx(lowerFor("cpu", graph), stored(graph)));
    const kept = written(
      lowerFor(
        "cpu",
        inFewerBits(graph, () => 8),
      ),
    );
    expect(kept.ahead!.smaller).toBe(true);
    expect(kept.weightBytes).toBe(kept.ahead!.bytes);
    expect(written(lowerFor("cpu", layers(8192, 4))).ahead).toBeDefined();
  });

  test("comes to the same in memory", async () => {
    const graph = lowerFor("cpu", layers(32, 2));
    const weightOf = (name: string) => {
      const shape = graph.parameters.get(name)!.shape as number[];
      return float32(shape, new CpuGenerator(Number(name[0]) + 1).randn(shape));
    };
    const model = toOnnxAhead(graph, weightOf, 0);
    const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
    const run = async (one: OnnxModel) => {
      const session = await runtime.createSession(one);
      return session.run({ x: float32([1, 32], new CpuGenerator(9).randn([1, 32])) });
    };
    const wanted = await run(model);
    expect(await run({ ...model, ahead: { ...model.ahead!, smaller: true } })).toEqual(wanted);
    expect(new Set(wanted["y"]!.data as Float32Array).size).toBe(32);
    await runtime.close();
  });
});
