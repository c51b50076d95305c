import { afterAll, describe, expect, test } from "vitest";
import {
  add,
  attention,
  concat,
  Graph,
  linear,
  lowerFor,
  mul,
  print,
  reshape,
  shareInputs,
  silu,
  slice,
  toOnnx,
} from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, joined, type Tensor } from "../../src/tensor/index.ts";

/** x looks at words after a layer of its own; a skip of it comes back later. */
function example(): Graph {
  const g = new Graph("example");
  const x = g.input("x", "float32", ["batch", 3, 4]);
  const scale = g.input("scale", "float32", ["batch"]);
  const words = g.input("words", "float32", ["batch", "words", 4]);
  const weight = (name: string) => g.parameter(name, [4, 4]);
  const own = silu(linear(mul(x, reshape(scale, ["batch", 1, 1])), weight("own")));
  const seen = add(attention(own, words, linear(words, weight("value")), { heads: 2 }), own);
  g.output("y", concat([seen, slice(own, 1, 0, 1)], 1));
  g.output("alone", own);
  return g;
}

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());
const random = new CpuGenerator(3);
const tensor = (shape: readonly number[]) => float32(shape, random.randn(shape));
const weights: Record<string, Tensor> = { own: tensor([4, 4]), value: tensor([4, 4]) };
async function run(graph: Graph, feeds: Record<string, Tensor>) {
  const session = await runtime.createSession(toOnnx(lowerFor("cpu", graph), (name) => weights[name]!));
  return session.run(feeds);
}
const twice = ({ shape: [, ...rest], data }: Tensor<"float32">) =>
  float32([2, ...rest], joined(Float32Array, data, data));

describe("inputs that a batch has in common", () => {
  const x = tensor([1, 3, 4]);
  const scale = tensor([1]);
  const shared = shareInputs(example(), ["x", "scale", "nothing"]);

  test.each([1, 2])("are looked at once for %i, and all outputs are those of each", async (count) => {
    const words = tensor([count, 5, 4]);
    const repeated = count === 1 ? { x, scale } : { x: twice(x), scale: twice(scale) };
    const want = await run(example(), { ...repeated, words });
    expect(await run(shared, { x, scale, words })).toEqual(want);
  });

  test("are repeated where something else comes in, and not before", () => {
    const text = print(shared);
    expect(text).toMatch(/input x: float32\[1, 3, 4\]/);
    expect(text).toMatch(/Silu: float32\[1, 3, 4\]/);
    expect(text).toMatch(/Attention: float32\[batch, 3, 4\]/);
    // The sum itself; what the attention, the sum and the end take; the slice before the joint.
    expect(text.match(/Add(_\d)?: float32.*= Add\(/g)).toHaveLength(3);
  });

  test("leave a graph as it is that tells nothing else", () => {
    const all = example();
    expect(shareInputs(all, ["x", "scale", "words"])).toBe(all);
    expect(shareInputs(all, ["nothing"])).toBe(all);
  });
});
