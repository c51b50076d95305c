/** Whole runs with every convolution in one form wherever it is legal, within the tolerances that hold for all. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { convolutionForms } from "../../src/graph/index.ts";
import { type Inkling, load } from "../../src/pipelines/index.ts";
import { drawnOf } from "../support/drawn.ts";
import { path } from "../support/fixtures.ts";
import { checkpoints, expectRun, runsOf } from "../support/pipelines.ts";

describe.each(convolutionForms)("%s", (form) => {
  describe.each(checkpoints)("%s", (name) => {
    let inkling: Inkling;
    beforeAll(async () => {
      inkling = await load(path("checkpoints", name), { device: "cpu", convolutions: { form } });
    });
    afterAll(() => inkling.close());

    test.each(runsOf(name).map((run) => [run.run, run] as const))("%s: every step and the picture", (_, run) =>
      expectRun((settings, i) => drawnOf(inkling.stream(settings), i), name, run),
    );
  });
});
