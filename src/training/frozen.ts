import { type Graph, lowerFor, toOnnx, toOnnxAhead, type Weight, weightsOf } from "../graph/index.ts";
import type { Runtime, Session } from "../runtime/index.ts";
import { checkWeights, type ModelPart } from "../weights/index.ts";
import { below, shapesOf } from "./beginning.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import type { Frozen } from "./trainer.ts";

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
  checkWeights(part, shapesOf(graph), { partial: true });
  const write = runtime.makesAhead ? toOnnxAhead : toOnnx;
  return runtime.createSession(write(lowerFor(runtime.device, graph, { batch }), weightsOf(part.weights)));
}

/**
 * Those parameters of a loss that are weights of the model and do not learn, and where they lie.
 *
 * @throws InputError where the model's files do not hold them
 */
export function frozenWeights(
  loss: Graph,
  { unet, textEncoder }: DiffusionModel,
  learns: (name: string) => boolean,
): Frozen {
  const frozen = new Map<string, Weight>();
  for (const [prefix, { weights }] of [
    ["unet.", unet],
    ["text_encoder.", textEncoder],
  ] as const) {
    const wanted = below(new Map([...shapesOf(loss)].filter(([name]) => !learns(name))), prefix);
    if (wanted.size === 0) continue;
    checkWeights({ weights: weights! }, wanted, { partial: true });
    for (const name of wanted.keys()) frozen.set(prefix + name, weightsOf(weights!)(name));
  }
  return (name) => frozen.get(name);
}
