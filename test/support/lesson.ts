/** What suites about lessons share: a model to teach, pictures, and gradients by name. */
import { lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";
import {
  type Example,
  type GradientOptions,
  gradientGraph,
  type Lesson,
  pack,
  packingOf,
  unpack,
} from "../../src/training/index.ts";

/** Pixels of a side. */
export const SIDE = 32;

/** A picture with each of these captions. */
export function examplesOf(...captions: readonly string[]): Example[] {
  return captions.map((caption, i) => ({
    key: `${i}`,
    caption,
    picture: {
      width: SIDE,
      height: SIDE,
      data: Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, k) => (k * (i + 3)) % 256),
    },
  }));
}

export const numbers = (tensor: Tensor | undefined): number[] => Array.from(tensor!.data as Float32Array, Number);

/**
 * The loss and the gradients of a batch, by the parameters' names.
 *
 * @param options where some are given, weights that do not learn stay as they are stored
 */
export async function gradientsOf(
  runtime: Runtime,
  { loss: lossOf, initial, frozen = () => undefined }: Pick<Lesson, "loss" | "initial" | "frozen">,
  batch: Readonly<Record<string, Tensor>>,
  options?: GradientOptions,
) {
  const loss = lossOf(batch["latents"]!.shape[0]!);
  const packing = packingOf({ parameters: new Map([...loss.parameters].filter(([name]) => !frozen(name))) });
  const session = await runtime.createSession(
    toOnnx(lower(gradientGraph(loss, packing, options), lowerings.cpu), (name) => frozen(name)!, {
      asStored: options !== undefined,
    }),
  );
  const weights = pack(packing, initial).map(
    (values, k) => [`weights.${k}`, float32([values.length], values)] as const,
  );
  const outputs = await session.run({ ...batch, ...Object.fromEntries(weights) });
  await session.release();
  const chunks = packing.chunks.map((_, k) => outputs[`gradients.${k}`]!.data as Float32Array);
  return { loss: numbers(outputs["loss"])[0]!, gradients: unpack(packing, chunks) };
}
