import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Inkling, load } from "../../src/pipelines/index.ts";
import { drawnOf } from "../support/drawn.ts";
import { path } from "../support/fixtures.ts";
import { checkpoints, expectRun, runsOf } from "../support/pipelines.ts";

describe.each(checkpoints)("%s", (name) => {
  const runs = runsOf(name);
  let inkling: Inkling;
  beforeAll(async () => {
    inkling = await load(path("checkpoints", name), { device: "cpu" });
  });
  afterAll(() => inkling.close());

  test.each(runs.map((run) => [run.run, run] as const))("%s: every step and the picture", (_, run) =>
    expectRun((settings, i) => drawnOf(inkling.stream(settings), i), name, run),
  );
});

test("there are runs", () => expect(checkpoints.length).toBeGreaterThan(0));
