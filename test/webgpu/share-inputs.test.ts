import { afterAll, expect, test } from "vitest";
import { lowerFor, shareInputs, toOnnx } from "../../src/graph/index.ts";
import type { Feeds } from "../../src/runtime/index.ts";
import { example, tensor, twice, weights } from "../support/common-inputs.ts";
import { expectCloseMax } from "../support/compare.ts";
import { openAdapter } from "./adapter.ts";

const runtime = await openAdapter();
afterAll(() => runtime.close());

test("what a batch has in common is repeated on the device", async () => {
  const [x, scale, words] = [tensor([1, 3, 4]), tensor([1]), tensor([2, 5, 4])];
  const run = async (graph: ReturnType<typeof example>, feeds: Feeds) => {
    const session = await runtime.createSession(toOnnx(lowerFor("webgpu", graph), (name) => weights[name]!));
    return session.run(feeds);
  };
  const got = await run(shareInputs(example(), ["x", "scale"]), { x, scale, words });
  const want = await run(example(), { x: twice(x), scale: twice(scale), words });
  expect(Object.keys(got)).toEqual(Object.keys(want));
  for (const [name, each] of Object.entries(got)) expectCloseMax(each, want[name]!, 1e-6, name);
});
