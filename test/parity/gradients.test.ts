import { afterAll, describe, expect, test } from "vitest";
import { rules } from "../../src/autograd/index.ts";
import { lower, lowerings } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { caseRunner } from "../support/cases.ts";
import { readTensors } from "../support/fixtures.ts";
import { expectGradients, gradientCases } from "../support/modules.ts";

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

const cases = gradientCases((graph) => lower(graph, lowerings.cpu));

describe("gradients of the modules", () => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
    // diffusers keeps one convolution under two names.
    const stored = [...readTensors("modules", c.name).keys()].filter((name) => name.startsWith("grad."));
    const plain = (names: string[]) => [...new Set(names.map((name) => name.replace("Conv2d_0.", "conv.")))].sort();
    expect(plain(Object.keys(c.want))).toEqual(plain(stored));
    expectGradients(await runner.run(c), c);
  });

  test("there are some", () => {
    expect(cases.length).toBeGreaterThan(40);
    expect(Object.keys(rules).length).toBeGreaterThan(30);
  });
});
