import { lowerings, type OnnxModel } from "../../src/graph/index.ts";
import type { GraphCase } from "../support/cases.ts";
import { moduleCases } from "../support/modules.ts";
import { distinctCheckpoints, type StageOptions, stagesOf } from "../support/stages.ts";

/**
 * What runs on WebGPU: every module, and the stages of one checkpoint of each shape. Other files and types of the same
 * weights, and other numbers fed to the same networks, come to the same programs on the device; the suite on the CPU
 * runs them all, and a software adapter is slow.
 */
export async function webgpuCases(weight?: StageOptions["weight"]): Promise<GraphCase[]> {
  const cases = moduleCases(lowerings.webgpu);
  for (const checkpoint of distinctCheckpoints()) {
    const stages = await stagesOf(checkpoint, { lowerings: lowerings.webgpu, weight });
    cases.push(...onceEach(stages.cases));
  }
  return cases;
}

/** Of the large networks only what the first feeds give. */
function onceEach(cases: readonly GraphCase[]): GraphCase[] {
  const firsts = new Map<OnnxModel, GraphCase>();
  return cases.filter((c) => {
    const first = firsts.get(c.model) ?? c;
    firsts.set(c.model, first);
    return c.kind === "vae" || c.feeds === first.feeds;
  });
}
