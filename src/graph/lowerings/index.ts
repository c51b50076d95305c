import type { Graph } from "../graph.ts";
import { type Lowerings, lower } from "../lower.ts";
import { channelsLast } from "./channels-last.ts";
import { common } from "./common.ts";
import { cpu } from "./cpu.ts";
import { type PlanOptions, planConvolutions } from "./plan.ts";
import { webgpu } from "./webgpu.ts";

/** How each device wants its operations written. */
export const lowerings = {
  cpu,
  cuda: common,
  webgpu,
} as const satisfies Record<string, Lowerings>;

/**
 * A graph as the device computes it fastest. On the CPU that is a choice for every convolution, and of the layout that
 * follows from it; `plan` says what it depends on.
 */
export function lowerFor(device: keyof typeof lowerings, graph: Graph, plan?: PlanOptions): Graph {
  if (device !== "cpu") return lower(graph, lowerings[device]);
  const forms = new Map(planConvolutions(graph, plan).map(({ node, form }) => [node, form]));
  if ([...forms.values()].every((form) => form === "direct")) return lower(graph, cpu);
  return lower(
    channelsLast(graph, (node) => forms.get(node)!),
    cpu,
  );
}
