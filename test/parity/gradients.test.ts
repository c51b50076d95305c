import { afterAll, describe, expect, test } from "vitest";
import { rules } from "../../src/autograd/index.ts";
import { lower, lowerings } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { caseRunner, expectCase } from "../support/cases.ts";
import { maxAbs } from "../support/compare.ts";
import { readTensors } from "../support/fixtures.ts";
import { gradientCases } from "../support/modules.ts";

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

const KEY_BIAS = "grad.param.k.bias";
const cases = gradientCases((graph) => lower(graph, lowerings.cpu));

describe("gradients of the modules", () => {
  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
    // diffusers keeps one convolution under two names.
    const stored = [...readTensors("modules", c.name).keys()].filter((name) => name.startsWith("grad."));
    const plain = (names: string[]) => [...new Set(names.map((name) => name.replace("Conv2d_0.", "conv.")))].sort();
    expect(plain(Object.keys(c.want))).toEqual(plain(stored));
    const outputs = await runner.run(c);
    // Softmax does not see what is added to all keys: the gradient is 0, and what is stored is the rounding of another order.
    const { [KEY_BIAS]: zero, ...want } = c.want;
    if (zero) {
      expect(maxAbs(zero.data as Float32Array)).toBeLessThan(1e-12);
      expect(maxAbs(outputs[KEY_BIAS]!.data as Float32Array)).toBeLessThan(1e-6);
    }
    expectCase(outputs, { ...c, want });
  });

  test("there are some", () => {
    expect(cases.length).toBeGreaterThan(40);
    expect(Object.keys(rules).length).toBeGreaterThan(30);
  });
});
