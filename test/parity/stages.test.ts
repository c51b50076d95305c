import { afterAll, describe, expect, test } from "vitest";
import { convolutionForms, lowerFor } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { caseRunner, expectCase } from "../support/cases.ts";
import { list } from "../support/fixtures.ts";
import { checkpointNames, type Stages, stagesOf } from "../support/stages.ts";

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

const all: Stages[] = [];
for (const name of checkpointNames()) all.push(await stagesOf(name, { lowered: (graph) => lowerFor("cpu", graph) }));

describe.each(all.map((stages) => [stages.checkpoint, stages] as const))("%s", (_, { cases, untested }) => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
    expectCase(await runner.run(c), c);
  });

  test("leaves nothing of its reference untested", () => {
    expect(cases.length).toBeGreaterThan(0);
    expect(untested).toEqual([]);
  });
});

/** U-Nets and VAEs of every checkpoint, in each form that a convolution may take. */
describe.each(convolutionForms)("convolutions %s", (form) => {
  test.each(checkpointNames())("%s", async (name) => {
    const { cases } = await stagesOf(name, { lowered: (graph) => lowerFor("cpu", graph, { form }) });
    for (const c of cases.filter(({ kind }) => kind === "unet" || kind === "vae")) expectCase(await runner.run(c), c);
  });
});

test("every reference is compared with", () => {
  expect([...new Set(all.map(({ reference }) => reference))].sort()).toEqual(list("checkpoints", "reference"));
});
