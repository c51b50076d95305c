import { type Graph, lowerFor, toOnnx, weightsOf } from "../graph/index.ts";
import type { Runtime, Session } from "../runtime/index.ts";
import { checkWeights, type ModelPart } from "../weights/index.ts";

/**
 * A network that does not learn, with its weights in its files, ready to run.
 *
 * @throws InputError where its files do not hold what the graph asks for
 */
export function openFrozen(
  part: Pick<ModelPart, "weights">,
  graph: Graph,
  runtime: Runtime,
  batch: number,
): Promise<Session> {
  const wanted = new Map([...graph.parameters].map(([name, { shape }]) => [name, shape as number[]]));
  checkWeights(part, wanted, { partial: true });
  return runtime.createSession(toOnnx(lowerFor(runtime.device, graph, { batch }), weightsOf(part.weights)));
}
