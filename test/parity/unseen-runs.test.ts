/** Whole runs whose latents stay with the runtime, as on graphics devices they do, at the tolerances of all runs. */
import { afterAll, beforeAll, describe, test } from "vitest";
import { type OpenModel, open } from "../../src/pipelines/inkling.ts";
import { path } from "../support/fixtures.ts";
import { checkpoints, expectUnseenRun, runsOf } from "../support/pipelines.ts";

describe.each(checkpoints)("%s", (name) => {
  let model: OpenModel;
  beforeAll(async () => {
    model = await open(path("checkpoints", name), { device: "cpu", latentsStay: true });
  });
  afterAll(() => model.runtime.close());

  test.each(runsOf(name).map((run) => [run.run, run] as const))("%s: the last latents and the picture", (_, run) =>
    expectUnseenRun(model, name, run),
  );
});
