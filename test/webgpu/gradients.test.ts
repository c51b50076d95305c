/**
 * Learning on WebGPU, no node of it on the CPU: every gradient rule by finite differences, a module of each kind and the losses by
 * the fixtures, at the tolerances of the CPU. Other sizes of the same modules and further losses run in test/long: the software
 * adapter takes seconds to compile each.
 */
import { afterAll, describe, expect, test } from "vitest";
import { clipTextConfig, gpt2Config, unetConfig, vaeConfig } from "../../src/configs/index.ts";
import { type Graph, lowerForLearning, toOnnx } from "../../src/graph/index.ts";
import { withLora } from "../../src/models/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { captionerLoss, diffusionLoss, gradientGraph, packingOf, vaeLoss } from "../../src/training/index.ts";
import { targetsIn } from "../../src/training/lora-lesson.ts";
import type { AdaptedPart } from "../../src/weights/index.ts";
import { caseRunner } from "../support/cases.ts";
import { readJson } from "../support/fixtures.ts";
import { expectGradients, gradientCases } from "../support/modules.ts";
import { expectRule, noWeights, ruleCases } from "../support/rules.ts";
import { tinyRecipe } from "../support/tiny-recipe.ts";
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

test.each([
  ["unet, v", {}],
  ["vae", {}],
  ["gpt2", { gradientCheckpointing: true }],
] as const)("%s, %j: the first loss and every gradient", (name, options) =>
  expectFirst(runs.get(name)!, runtime, (loss, packing) => lowered(gradientGraph(loss, packing, options))),
);

test("clip: the losses of the next steps, the weights and their average after the last", async () =>
  expectSteps(runs.get("clip")!, await openTrainer(runs.get("clip")!, runtime)));

describe("what else learns has no node on the CPU", () => {
  const unet = unetConfig(tinyRecipe.model.unet);
  const text = clipTextConfig(tinyRecipe.model.textEncoder);
  const gpt2 = gpt2Config(readJson("training", "gpt2", "config.json"));
  const vae = vaeConfig(readJson("training", "vae", "config.json"));
  const size = { batch: 1, height: 8, width: 8, tokens: 4 };
  const lora = (part: AdaptedPart, network: Graph) =>
    withLora(network, targetsIn(part, network, "convolutions"), { rank: 2, alpha: 1 });
  const losses: Readonly<Record<string, () => Graph>> = {
    "a LoRA": () => diffusionLoss({ unet, text, prediction: "epsilon", extend: lora }, size),
    "a word": () => diffusionLoss({ unet, text, prediction: "epsilon", vectors: 2 }, size),
    "a VAE with its judge": () => vaeLoss(vae, { batch: 1, height: 16, width: 16, adversary: 0.5 }),
    "a captioner": () =>
      captionerLoss(
        { clipCap: { tokens: 4, embedding_scale: 3, clip_dim: 12 }, hidden: 20, gpt2 },
        { batch: 1, tokens: 8 },
      ),
  };

  // The runtime is strict: it makes no session of a graph that would have one.
  test.each(Object.entries(losses))("%s", async (_, build) => {
    const loss = build();
    const graph = gradientGraph(loss, packingOf(loss), { gradientCheckpointing: true });
    const session = await runtime.createSession(toOnnx(lowered(graph), noWeights));
    expect(session.outputNames).toContain("square_norm");
    await session.release();
  });
});
