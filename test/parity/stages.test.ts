import { afterAll, describe, expect, test } from "vitest";
import { lowerings } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { caseRunner, expectCase } from "../support/cases.ts";
import { list } from "../support/fixtures.ts";
import { checkpointNames, type Stages, stagesOf } from "../support/stages.ts";

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

const all: Stages[] = [];
for (const name of checkpointNames()) all.push(await stagesOf(name, { lowerings: lowerings.cpu }));

describe.each(all.map((stages) => [stages.checkpoint, stages] as const))("%s", (_, { cases, untested }) => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
    expectCase(await runner.run(c), c);
  });

  test("leaves nothing of its reference untested", () => {
    expect(cases.length).toBeGreaterThan(0);
    expect(untested).toEqual([]);
  });
});

test("every reference is compared with", () => {
  expect([...new Set(all.map(({ reference }) => reference))].sort()).toEqual(list("checkpoints", "reference"));
});
