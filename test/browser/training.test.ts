import { afterAll, expect, test } from "vitest";
import type { Batch, Trainer } from "../../src/training/index.ts";
import { readJson } from "../support/fixtures.ts";
import { expectSteps, fixtureOptimizer, trainingRuns } from "../support/training-runs.ts";
import { openPage } from "./open-page.ts";
import { mapValues, pack, unpack } from "./packed.ts";

const { inPage, said, close } = await openPage();
afterAll(close);

// The page's runtime is strict: that it learns means that no node ran on the CPU.
test("a CLIP learns in a page as the fixtures' does", async () => {
  const run = trainingRuns().find(({ name }) => name === "clip")!;
  const [batch, tokens] = run.batches[0]!["ids"]!.shape as [number, number];
  await inPage((it, given) => it.openTrainer(given), {
    config: readJson<Record<string, unknown>>("training", "clip", "config.json"),
    shape: { batch, tokens },
    weights: mapValues(Object.fromEntries(run.weights), pack),
    optimizer: fixtureOptimizer,
  });
  const trainer: Pick<Trainer, "step" | "read" | "close"> = {
    step: (batch, rate) => inPage((it, given) => it.step(...given), [mapValues(batch as Batch, pack), rate] as const),
    read: async (state) => {
      const packed = await inPage((it, given) => it.learnt(given as "weights" | "ema"), state);
      return new Map(Object.entries(packed).map(([name, each]) => [name, unpack(each).data as Float32Array]));
    },
    close: () => inPage((it) => it.closeTrainer(), undefined),
  };
  await expectSteps(run, trainer);
});

test("the page had nothing to say", () => expect(said).toEqual([]));
