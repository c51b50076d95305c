/** All gradients of the modules and all training fixtures on WebGPU; a part of them is in test/webgpu. */
import { afterAll, describe, test } from "vitest";
import { type Graph, lowerForLearning } from "../../src/graph/index.ts";
import { gradientGraph } from "../../src/training/index.ts";
import { caseRunner } from "../support/cases.ts";
import { expectGradients, gradientCases } from "../support/modules.ts";
import { expectFirst, expectSteps, openTrainer, trainingRuns } from "../support/training-runs.ts";
import { openAdapter } from "../webgpu/adapter.ts";

const SLOW = 300_000;

const runtime = await openAdapter();
const runner = caseRunner(runtime);
afterAll(() => runner.close());

const lowered = (graph: Graph) => lowerForLearning("webgpu", graph);

describe("gradients of the modules", () => {
  test.each(gradientCases(lowered).map((c) => [c.name, c] as const))(
    "%s",
    async (_, c) => expectGradients(await runner.run(c), c),
    SLOW,
  );
});

describe.each(trainingRuns().map((run) => [run.name, run] as const))("%s", (_, run) => {
  test(
    "the first loss and every gradient",
    () => expectFirst(run, runtime, (loss, packing) => lowered(gradientGraph(loss, packing))),
    SLOW,
  );

  if (!run.steps) return;
  test(
    "the losses of the next steps, the weights and their average after the last",
    async () => expectSteps(run, await openTrainer(run, runtime)),
    SLOW,
  );
});
