/**
 * Learning on WebGPU, no node of it on the CPU: every gradient rule by finite differences, a module of each kind and the losses by
 * the fixtures, at the tolerances of the CPU. Other sizes of the same modules and further losses run in test/long: the software
 * adapter takes seconds to compile each.
 */
import { afterAll, describe, expect, test } from "vitest";
import { type Graph, lowerForLearning } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { gradientGraph } from "../../src/training/index.ts";
import { caseRunner } from "../support/cases.ts";
import { expectGradients, gradientCases } from "../support/modules.ts";
import { expectRule, ruleCases } from "../support/rules.ts";
import { expectFirst, expectSteps, openTrainer, trainingRuns } from "../support/training-runs.ts";
import { openAdapter } from "./adapter.ts";

const runtime = await openAdapter();
const runner = caseRunner(runtime);
afterAll(() => runner.close());

const lowered = (graph: Graph) => lowerForLearning("webgpu", graph);

describe("every rule against finite differences", () => {
  const { Cast, ...others } = ruleCases;
  const all = Object.entries(others).flatMap(([op, list]) => list.map((c, i) => [`${op} ${i}`, c] as const));
  test.each(all)("%s", (_, c) => expectRule(c, runtime, lowered));

  test("Cast, to a type that no graphics device has", async () => {
    const lenient = createNodeRuntime({ device: "webgpu" });
    for (const c of Cast!) await expectRule(c, lenient, lowered);
    await lenient.close();
  });
});

describe("gradients of the modules", () => {
  const cases = gradientCases(lowered, "one of each layer");
  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => expectGradients(await runner.run(c), c));
  test("there are some", () => expect(cases.length).toBeGreaterThan(20));
});

const runs = new Map(trainingRuns().map((run) => [run.name, run]));

test.each(["unet, v", "vae", "gpt2"])("%s: the first loss and every gradient", (name) =>
  expectFirst(runs.get(name)!, runtime, (loss, packing) => lowered(gradientGraph(loss, packing))),
);

test("clip: the losses of the next steps, the weights and their average after the last", async () =>
  expectSteps(runs.get("clip")!, await openTrainer(runs.get("clip")!, runtime)));
