import { afterAll, describe, test } from "vitest";
import { type Graph, lower, lowerForLearning, lowerings } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { gradientGraph, type Packing } from "../../src/training/index.ts";
import { expectFirst, expectSteps, openTrainer, trainingRuns } from "../support/training-runs.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

/** How gradients are written for the CPU, from a loss. */
const forms: readonly (readonly [string, (loss: Graph, packing: Packing) => Graph])[] = [
  ["plainly", (loss, packing) => lower(gradientGraph(loss, packing), lowerings.cpu)],
  ["by Winograd", (loss, packing) => lowerForLearning("cpu", gradientGraph(loss, packing), { least: 1 })],
  [
    "with blocks computed and weights read twice",
    (loss, packing) => {
      const twice = { gradientCheckpointing: true, weightsTwice: true };
      return lowerForLearning("cpu", gradientGraph(loss, packing, twice));
    },
  ],
];

describe.each(trainingRuns().map((run) => [run.name, run] as const))("%s", (_, run) => {
  test.each(forms)("the first loss and every gradient, %s", (_, written) => expectFirst(run, runtime, written));

  if (!run.steps) return;
  test("the losses of the next steps, the weights and their average after the last", async () =>
    expectSteps(run, await openTrainer(run, runtime)));
});
