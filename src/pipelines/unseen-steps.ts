import { type VectorSum, vectorOfCall, type WalkSums } from "../diffusion/index.ts";
import { float32, sizeOf } from "../tensor/index.ts";
import type { StepProgress } from "./events.ts";
import { sharedPredictions } from "./guided-prediction.ts";
import type { StayingPredictor } from "./noise-predictor.ts";
import { type Steps, shownSteps, type Way } from "./steps.ts";

/** Bytes that the vectors of a walk may take on a device: what adapters without further limits bind at once. */
const MOST_BYTES = 2 ** 27;

/** What latents need to stay with the runtime. */
interface Staying {
  readonly sums: WalkSums;
  readonly unet: StayingPredictor;
}

type WhatStays = Pick<Way, "walk" | "shape" | "beginning" | "settings" | "unet">;

/** How latents stay with the runtime on their way; or why they cannot: something is done that is no sum. */
export function stayingOf({ walk, shape, beginning, settings, unet }: WhatStays): Staying | string {
  if (!unet.staying) return "What the U-Net says comes here from this device anyway.";
  if (beginning.hold) return "A mask holds places of the latents after every step.";
  if (beginning.beside) return "The U-Net sees further channels beside the latents.";
  if (settings.guidanceRescale > 0) return "Guidance is rescaled by how far predictions spread.";
  const sums = walk.sums();
  if (!sums) return "The sampler clips, decides by what it finds, or starts from too much noise.";
  if (4 * sums.vectors * sizeOf(shape) > MOST_BYTES) return "The walk is too long for its size.";
  return { sums, unet: unet.staying };
}

/**
 * Steps that nobody looks into. Where it can be, latents stay where the U-Net computes, as vectors and weights of their
 * sums: a step tells weights and a timestep, and gets one number, which is finite where the prediction is.
 */
export const unseenSteps: Steps<StepProgress> = async function* (way) {
  const staying = stayingOf(way);
  if (typeof staying !== "string") return yield* stayingSteps(way, staying);
  const steps = shownSteps({})(way);
  for (;;) {
    const turn = await steps.next();
    if (turn.done) return turn.value;
    const { type, picture, call, calls, timestep, sigma, secondsLeft } = turn.value;
    yield { type, picture, call, calls, timestep, sigma, secondsLeft };
  }
};

async function* stayingSteps(
  { picture, shape, beginning, draw, settings, signal, estimate, nextLook }: Way,
  { sums, unet }: Staying,
): AsyncGenerator<StepProgress, Float32Array, void> {
  const { shown, last, vectors } = sums;
  const latents = unet.latents(shape, vectors);
  const place = (numbers: Float32Array, vector: number, { weights }: VectorSum) =>
    latents.place(float32(shape, numbers), { vector, shares: [1], weights }, signal);
  /** Draws what a sum has of new noise. */
  const stir = async (sum: VectorSum): Promise<void> => {
    for (const { stretch, vector } of sum.draws) {
      const noise = draw(stretch);
      if (vector !== undefined) await place(noise, vector, sum);
    }
  };
  try {
    await place(beginning.initial, 0, shown[0]!);
    await stir(shown[0]!);
    for (const [call, { timestep, sigma }] of shown.entries()) {
      const next = shown[call + 1] ?? last;
      const look = nextLook(timestep, sigma);
      const said = await sharedPredictions(latents.sample, look, settings, unet, signal);
      try {
        for (const { rows, shares } of said) {
          await latents.place(rows, { vector: vectorOfCall(call), shares, weights: next.weights }, signal);
        }
      } finally {
        for (const { rows } of said) rows.dispose();
      }
      await stir(next);
      signal?.throwIfAborted();
      estimate.done("call");
      yield { type: "step", picture, call, calls: shown.length, timestep, sigma, secondsLeft: estimate.secondsLeft };
    }
    return await latents.read(signal);
  } finally {
    latents.dispose();
  }
}
