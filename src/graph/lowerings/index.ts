import { IN_BITS } from "../fewer-bits.ts";
import type { Graph } from "../graph.ts";
import { type Lowerings, lower } from "../lower.ts";
import type { AttentionKind } from "./attention-kind.ts";
import type { BytesOptions } from "./byte-convolution.ts";
import { channelsLast } from "./channels-last.ts";
import { common } from "./common.ts";
import { cpu } from "./cpu.ts";
import { channelsLastLearning, type LearningOptions } from "./learning.ts";
import { type PlanOptions, planConvolutions } from "./plan.ts";
import { webgpu, webgpuWith } from "./webgpu.ts";
import { asKernels } from "./webgpu-kernels.ts";

/** How each device wants its operations written. */
export const lowerings = {
  cpu,
  cuda: common,
  webgpu,
} as const satisfies Record<string, Lowerings>;

export interface LoweringOptions extends PlanOptions, BytesOptions {
  /** Where the runtime's own attention comes out right on a WebGPU adapter. Default: nowhere. */
  readonly attends?: (about: AttentionKind) => boolean;
}

/**
 * A graph as the device computes it fastest. On the CPU that is a choice for every convolution, and of the layout that
 * follows from it; the options say what it depends on.
 */
export function lowerFor(
  device: keyof typeof lowerings,
  graph: Graph,
  { attends, signedBytes, ...plan }: LoweringOptions = {},
): Graph {
  if (device === "webgpu") return lower(asKernels(graph), webgpuWith(attends));
  if (device !== "cpu") return lower(graph, lowerings[device]);
  const forms = new Map(planConvolutions(graph, plan).map(({ node, form }) => [node, form]));
  const inBits = graph.nodes.some(({ op }) => op === IN_BITS.Conv);
  if (!inBits && [...forms.values()].every((form) => form === "direct")) return lower(graph, cpu);
  return lower(
    channelsLast(graph, (node) => forms.get(node)!, { signedBytes }),
    cpu,
  );
}

/** A graph of gradients, whose weights are inputs, as the device computes it fastest. */
export function lowerForLearning(device: keyof typeof lowerings, graph: Graph, options: LearningOptions = {}): Graph {
  // The CPU's own forms are for 32 bits.
  const isNarrow = graph.nodes.some(({ outputs }) => outputs.some(({ dtype }) => dtype === "float16"));
  return lower(device === "cpu" && !isNarrow ? channelsLastLearning(graph, options) : graph, lowerings[device]);
}
