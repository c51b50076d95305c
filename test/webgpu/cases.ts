import { type Graph, lowerFor, type OnnxModel } from "../../src/graph/index.ts";
import type { GraphCase } from "../support/cases.ts";
import { moduleCases } from "../support/modules.ts";
import { distinctCheckpoints, type StageOptions, stagesOf } from "../support/stages.ts";
import { clipCases } from "../support/vision.ts";

const lowered = (graph: Graph) => lowerFor("webgpu", graph);

/**
 * What runs on WebGPU: every module, the stages of one checkpoint of each build, and CLIP's vision tower. Other files, types and sizes, and
 * other numbers fed to the same networks, come to the same programs on the device; the suite on the CPU runs them all,
 * and a software adapter is slow.
 */
export async function webgpuCases(weight?: StageOptions["weight"]): Promise<GraphCase[]> {
  const cases: GraphCase[] = [];
  for (const checkpoint of distinctCheckpoints()) {
    const stages = await stagesOf(checkpoint, { lowered, weight });
    // Checkpoints may share a VAE: graph and place of the weights are the same then.
    const known = new Set(cases.map(({ model }) => Buffer.from(model.bytes).toString("latin1")));
    const more = onceEach(stages.cases).filter((c) => !known.has(Buffer.from(c.model.bytes).toString("latin1")));
    // For time alone: odd sizes need programs of their own, which a software adapter takes the longest to compile (ten
    // seconds and more each). The first U-Net stands for all; on the CPU every one runs at its odd sizes.
    cases.push(...more.filter((c) => cases.length === 0 || !isOdd(c)));
  }
  const clip = await clipCases({ lowered, weight });
  return [...moduleCases(lowered), ...cases, ...clip.slice(0, 1)];
}

/**
 * Of the large networks only what the first feeds give. For time alone: further feeds are further numbers in the same
 * programs, at seconds a run, and whole runs (pipelines.test.ts) feed the same networks many more.
 */
function onceEach(cases: readonly GraphCase[]): GraphCase[] {
  const firsts = new Map<OnnxModel, GraphCase>();
  return cases.filter((c) => {
    const first = firsts.get(c.model) ?? c;
    firsts.set(c.model, first);
    return c.kind === "vae" || c.feeds === first.feeds;
  });
}

function isOdd({ kind, feeds }: GraphCase): boolean {
  return kind === "unet" && (feeds["sample"]?.shape.slice(2).some((side) => side % 2 === 1) ?? false);
}
