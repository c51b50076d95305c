/** How outputs are written where they lie by onnxruntime-node, and what becomes of it where another version cannot. */
import { createRequire } from "node:module";
import type { InferenceSession } from "onnxruntime-node";
import { afterAll, expect, it, vi } from "vitest";
import { add, Graph, mul, reduceSum, toOnnx } from "../../src/graph/index.ts";
import { copyless, endsLast, type Ort, withEnd } from "../../src/runtime/in-place.ts";

const ort = createRequire(import.meta.url)("onnxruntime-node") as typeof import("onnxruntime-node");

const graph = new Graph("doubled");
const x = graph.input("x", "float32", ["n"]);
const y = add(x, x);
graph.output("y", y);
graph.output("sum", reduceSum(mul(y, 1), [0], { keep: false }));
const noWeights = (name: string) => {
  throw new Error(name);
};
const inner: InferenceSession = await ort.InferenceSession.create(withEnd(toOnnx(graph, noWeights)).bytes);
const session = copyless(ort, inner);
afterAll(() => session.release());

const numbers = (...values: number[]) => new ort.Tensor("float32", Float32Array.from(values), [values.length]);

it("computes what has a place there, and gives what has none and a known shape", async () => {
  const [given, place] = [numbers(1, 2), numbers(0, 0)];
  const run = vi.spyOn(inner, "run");
  const { y, sum } = await session.run({ x: given }, { y: place, sum: null });
  expect(await run.mock.results[0]!.value.catch((error: Error) => error.message)).toMatch(/^Non tensor type/);
  expect(y).toBe(place);
  expect([...(place.data as Float32Array), ...(sum!.data as Float32Array)]).toEqual([2, 4, 6]);
  // Over what it was computed from.
  await session.run({ x: place }, { y: place, sum: null });
  expect([...(place.data as Float32Array)]).toEqual([4, 8]);
});

it("gives new tensors where none are given, and the errors of the run", async () => {
  expect(session.outputNames).toEqual(["y", "sum"]);
  const { y, sum } = await session.run({ x: numbers(1, 2) }, { y: null, sum: null });
  expect([...(y!.data as Float32Array), ...(sum!.data as Float32Array)]).toEqual([2, 4, 6]);
  await expect(session.run({ x: numbers(1, 2) }, { y: numbers(0, 0, 0), sum: null })).rejects.toThrow(/shape/i);
});

it("is known to work with the package that is installed, and not where a run ends before anything is computed", async () => {
  expect(await endsLast(ort)).toBe(true);
  const refusing: Ort = {
    Tensor: ort.Tensor,
    InferenceSession: {
      create: async () => ({
        run: () => Promise.reject(new Error("Non tensor type is temporarily not supported.")),
        release: async () => {},
      }),
    },
  };
  expect(await endsLast(refusing)).toBe(false);
});
