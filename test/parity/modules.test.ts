import { afterAll, describe, expect, test } from "vitest";
import { convolutionForms, lowerFor } from "../../src/graph/index.ts";
import { guidanceEmbedding } from "../../src/models/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { toFloat32 } from "../../src/tensor/index.ts";
import { caseRunner, expectCase } from "../support/cases.ts";
import { expectClose } from "../support/compare.ts";
import { need, readTensors } from "../support/fixtures.ts";
import { moduleCases } from "../support/modules.ts";

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

describe.each(["fastest", ...convolutionForms] as const)("convolutions %s", (form) => {
  const plan = form === "fastest" ? {} : { form };
  const cases = moduleCases((graph) => lowerFor("cpu", graph, plan));

  test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
    expectCase(await runner.run(c), c);
  });

  test("the table has cases", () => expect(cases.length).toBeGreaterThan(40));
});

test("the scale of a model distilled with guidance as sinusoids", () => {
  const tensors = readTensors("modules", "timestep-embedding.safetensors");
  const scales = toFloat32(need(tensors, "guidance"));
  const tables = [...tensors].filter(([name]) => name.startsWith("guidance.dim"));
  expect(tables.length).toBeGreaterThan(0);
  for (const [name, want] of tables) {
    const width = want.shape[1]!;
    const got = new Float32Array(scales.length * width);
    // The table holds the embedding of w itself; pipelines embed scale − 1.
    scales.forEach((w, row) => {
      got.set(guidanceEmbedding(w + 1, width), row * width);
    });
    expectClose(got, want, 2e-5, { name });
  }
});
