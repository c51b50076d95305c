import { afterAll, describe, expect, test } from "vitest";
import { type Graph, lowerFor, print, shareInputs, toOnnx } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { example, tensor, twice, weights } from "../support/common-inputs.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());
async function run(graph: Graph, feeds: Record<string, Tensor>) {
  const session = await runtime.createSession(toOnnx(lowerFor("cpu", graph), (name) => weights[name]!));
  return session.run(feeds);
}

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
