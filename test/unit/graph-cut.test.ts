import { describe, expect, test } from "vitest";
import {
  add,
  followingFrom,
  Graph,
  linear,
  lower,
  lowerings,
  mul,
  partOf,
  print,
  split,
  toOnnx,
  type Value,
} from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";

/** y = (x + 2 · k(words)) · half of k, z = k + 1, where k(words) = words · Wᵀ. */
function example() {
  const g = new Graph("example");
  const x = g.input("x", "float32", [1, 2]);
  const words = g.input("words", "float32", [1, 3]);
  const k = g.scope("to_k", () => linear(words, g.parameter("weight", [4, 3])));
  const [first, second] = split(mul(k, 2), 2, -1) as [Value, Value];
  const sum = g.scope("sum", () => add(x, first));
  g.output("y", mul(sum, second));
  g.output("z", add(k, 1));
  return { g, x, words, sum };
}

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
const weight = float32([4, 3], [1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1]);
async function run(graph: Graph, feeds: Record<string, Tensor>) {
  const session = await runtime.createSession(toOnnx(lower(graph, lowerings.cpu), () => weight));
  return session.run(feeds);
}
const feeds = { x: float32([1, 2], [1, 2]), words: float32([1, 3], [3, 4, 5]) };

describe("a graph cut in two", () => {
  test("at the last values that follow from one input alone comes to the same", async () => {
    const { g, words } = example();
    const last = followingFrom(g, [words]);
    expect(Object.keys(last)).toEqual(["Split:0", "Split:1"]);
    const first = partOf(g, { ...last, z: g.outputs.get("z")! });
    const rest = partOf(g, { y: g.outputs.get("y")! }, last);
    expect(first.inputs.map(({ name }) => name)).toEqual(["words"]);
    expect(rest.inputs.map(({ name }) => name)).toEqual(["x", "Split:0", "Split:1"]);
    expect([[...first.parameters.keys()], [...rest.parameters.keys()]]).toEqual([["to_k.weight"], []]);
    const { z, ...halves } = await run(first, { words: feeds.words });
    const whole = await run(g, feeds);
    expect({ ...(await run(rest, { x: feeds.x, ...halves })), z }).toEqual(whole);
    expect(Array.from(whole["y"]!.data as Float32Array)).toEqual([70, 240]);
  });

  test("anywhere computes only what is asked for, under the names of the whole", () => {
    const { g, sum } = example();
    expect(print(partOf(g, { y: g.outputs.get("y")! }, { sum }))).not.toMatch(/input x/);
    expect(print(partOf(g, { sum }))).toMatch(/sum\/Add: float32\[1, 2\] = Add\(x, Split:0\)/);
    expect(print(g)).toBe(print(partOf(g, Object.fromEntries(g.outputs))));
  });

  test("what an input is given for is not computed, even where another output of its node is", async () => {
    const { g, words } = example();
    const { "Split:0": half } = followingFrom(g, [words]);
    const part = partOf(g, { y: g.outputs.get("y")! }, { half: half! });
    const { y } = await run(part, { ...feeds, half: float32([1, 2], [0, 0]) });
    expect(Array.from(y!.data as Float32Array)).toEqual([10, 48]);
  });

  test("a weight that is given is an input, and no weight any more", async () => {
    const { g } = example();
    const part = partOf(g, { y: g.outputs.get("y")! }, { given: g.parameters.get("to_k.weight")! });
    expect([part.inputs.map(({ name }) => name), part.parameters.size]).toEqual([["x", "words", "given"], 0]);
    expect(await run(part, { ...feeds, given: weight })).toEqual(
      await run(partOf(g, { y: g.outputs.get("y")! }), feeds),
    );
  });
});
