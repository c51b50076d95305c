/** Text encoders and U-Nets with their weights in 8 and 4 bits, against what the reference says of exact ones. */
import { afterAll, describe, expect, test } from "vitest";
import { type Graph, IN_BITS, inFewerBits, lowerFor, type WeightBits } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { caseRunner, type GraphCase } from "../support/cases.ts";
import { std } from "../support/compare.ts";
import { exists } from "../support/fixtures.ts";
import { checkpointNames, stagesOf } from "../support/stages.ts";

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

/** How far an output may be from the reference's, root mean square in units of its deviation. */
const BOUNDS: Readonly<Record<WeightBits, number>> = { 8: 0.02, 4: 0.16 };

/** The first and the last convolution of these small networks stay exact, as those of the published ones do. */
const SMALLEST = 2 ** 10;

/** The largest distance of a case's outputs, in the same unit. */
async function distance(c: GraphCase): Promise<number> {
  const got = await runner.run(c);
  const each = Object.entries(c.want).map(([name, { data }]) => {
    const [a, b] = [got[name]!.data as Float32Array, data as Float32Array];
    const squares = a.reduce((sum, x, i) => sum + (x - b[i]!) ** 2, 0);
    return Math.sqrt(squares / a.length) / std(b);
  });
  return Math.max(...each);
}

const whole = checkpointNames().filter((name) => !exists("checkpoints", name, "config.json"));

describe.each([8, 4] as const)("%d bits", (bits) => {
  test.each(whole)("%s", async (name) => {
    const ops: readonly string[] = Object.values(IN_BITS);
    let layers = 0;
    const lowered = (graph: Graph) => {
      const kept = inFewerBits(graph, (_, count) => (count > SMALLEST ? bits : undefined));
      layers += kept.nodes.filter(({ op }) => ops.includes(op)).length;
      return lowerFor("cpu", kept);
    };
    const { cases } = await stagesOf(name, { lowered });
    expect(layers).toBeGreaterThan(4);
    let far = 0;
    for (const c of cases.filter(({ kind }) => kind === "unet" || kind === "text")) {
      const found = await distance(c);
      expect(found, c.name).toBeLessThan(BOUNDS[bits]);
      far = Math.max(far, found);
    }
    // Exact networks are within 5e-5.
    expect(far).toBeGreaterThan(5e-4);
  });
});
