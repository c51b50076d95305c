/** Gradients with products in 16 bits, each of them rounded as a device rounds it, beside torch's in 32. */
import { afterAll, expect, test } from "vitest";
import { lower, lowerings, productsInFloat16, toOnnx } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32 } from "../../src/tensor/index.ts";
import { gradientGraph, pack, packingOf, unpack } from "../../src/training/index.ts";
import { firstLossScale } from "../../src/training/loss-scale.ts";
import { need } from "../support/fixtures.ts";
import { onFloat16Device } from "../support/float16.ts";
import { noWeights } from "../support/rules.ts";
import { trainingRuns } from "../support/training-runs.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

/** So that nothing runs over: what a few halvings lead to. */
const scale = firstLossScale.factor / 64;

const runs = trainingRuns().map((run) => [run.name, run] as const);

test.each(runs)("%s", async (_, { loss, batches, weights, gradients }) => {
  const packing = packingOf(loss);
  const graph = productsInFloat16(gradientGraph(loss, packing, { scaled: true }));
  const session = await runtime.createSession(toOnnx(lower(onFloat16Device(graph), lowerings.cpu), noWeights));
  const chunks = pack(packing, (name) => need(weights, name).data as Float32Array);
  const outputs = await session.run({
    ...batches[0],
    ...Object.fromEntries(chunks.map((values, k) => [`weights.${k}`, float32([values.length], values)])),
    loss_scale: float32([], [scale]),
  });
  await session.release();
  const parts = packing.chunks.map((_, k) => outputs[`gradients.${k}`]!.data as Float32Array);
  const [want, got] = [need(gradients, "loss"), outputs["loss"]!].map(({ data }) => (data as Float32Array)[0]!);
  let [far, all] = [0, 0];
  for (const [name, values] of unpack(packing, parts)) {
    const stored = need(gradients, `grad.${name}`).data as Float32Array;
    for (const [i, value] of values.entries()) {
      far += (value / scale - stored[i]!) ** 2;
      all += stored[i]! ** 2;
    }
  }
  // Measured: 6.7e-4 of a loss, 9.0e-3 of the length of all gradients.
  expect(Math.abs(got! - want!)).toBeLessThan(2e-3 * want!);
  expect(Math.sqrt(far / all)).toBeLessThan(2e-2);
  expect(far).toBeGreaterThan(0);
});
