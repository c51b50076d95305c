import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { backward, rules } from "../../src/autograd/index.ts";
import * as ops from "../../src/graph/index.ts";
import { Graph, lower, lowerings, type Node, toOnnx } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32 } from "../../src/tensor/index.ts";
import { expectRule, noWeights, ruleCases } from "../support/rules.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

describe("every rule against finite differences", () => {
  test("there is a case for each", () => {
    // What is detached has a test of its own below.
    expect([...Object.keys(ruleCases), "Detach"].sort()).toEqual(Object.keys(rules).sort());
  });

  const all = Object.entries(ruleCases).flatMap(([op, list]) => list.map((c, i) => [`${op} ${i}`, c] as const));
  test.each(all)("%s", (_, c) => expectRule(c, runtime, (graph) => lower(graph, lowerings.cpu)));
});

describe("backward", () => {
  test("a value that is used twice gets the sum; what is not on the way gets none", () => {
    const g = new Graph("sum");
    const [x, stranger] = [g.input("x", "float32", [1]), g.input("stranger", "float32", [1])];
    const gradients = backward(g, ops.add(ops.mul(x, x), x), [x, stranger]);
    expect([...gradients.keys()]).toEqual([x]);
  });

  test("what is detached gets none", () => {
    const g = new Graph("detached");
    const [x, y] = [g.input("x", "float32", [1]), g.input("y", "float32", [1])];
    const gradients = backward(g, ops.mul(ops.detach(x), y), [x, y]);
    expect([...gradients.keys()]).toEqual([y]);
  });

  test("a result of many numbers needs a gradient of its own", () => {
    const g = new Graph("many");
    const x = g.input("x", "float32", [3]);
    expect(() => backward(g, ops.exp(x), [x])).toThrow(/of one number.*\[3\]/);
  });

  test("a block is computed again when its gradient comes, by the runtime too", async () => {
    const g = new Graph("blocks");
    const x = g.input("x", "float32", [4]);
    const w = g.input("w", "float32", [4]);
    const y = ["a", "b"].reduce((v, name) => g.scope(name, () => ops.tanh(ops.mul(ops.tanh(ops.mul(v, w)), w))), x);
    const loss = ops.reduceSum(y, [0], { keep: false });
    const forward = g.nodes.length;
    const blockOf = ({ scope }: Node) => (scope === "" ? undefined : scope);
    g.output("dw", backward(g, loss, [w], { blockOf }).get(w)!);
    const again = g.nodes.filter(({ scope }) => scope.endsWith(".again") && scope !== "");
    expect(again.filter(({ op }) => op === "Tanh").length).toBe(4);
    expect(forward).toBe(9);

    const folder = await mkdtemp(join(tmpdir(), "inkling-again-"));
    const profiling = createNodeRuntime({ device: "cpu", threads: 1, profile: folder });
    const session = await profiling.createSession(toOnnx(lower(g, lowerings.cpu), noWeights));
    const { dw } = await session.run({ x: float32([4], [1, 2, 3, 4]), w: float32([4], [0.5, -0.5, 0.2, 0.1]) });
    await profiling.close();
    const [file] = await readdir(folder);
    const events = JSON.parse(await readFile(join(folder, file!), "utf8")) as { name: string }[];
    await rm(folder, { recursive: true });
    const computed = events.filter(({ name }) => /\bTanh.*_kernel_time$/.test(name));
    expect(computed.length).toBe(2 * 4);

    const kept = new Graph("kept");
    const [x2, w2] = [kept.input("x", "float32", [4]), kept.input("w", "float32", [4])];
    const y2 = [0, 1].reduce((v) => ops.tanh(ops.mul(ops.tanh(ops.mul(v, w2)), w2)), x2);
    kept.output("dw", backward(kept, ops.reduceSum(y2, [0], { keep: false }), [w2]).get(w2)!);
    const plain = await runtime.createSession(toOnnx(lower(kept, lowerings.cpu), noWeights));
    const want = await plain.run({ x: float32([4], [1, 2, 3, 4]), w: float32([4], [0.5, -0.5, 0.2, 0.1]) });
    await plain.release();
    expect(dw).toEqual(want["dw"]);
  });

  test("an operation without a rule is named", () => {
    const g = new Graph("unruly");
    const x = g.input("x", "float32", [1]);
    expect(() => backward(g, ops.sign(x), [x])).toThrow(/Sign.*no gradient rule/);
  });
});
