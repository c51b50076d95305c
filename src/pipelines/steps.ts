import type { DrawNoise, Walk } from "../diffusion/index.ts";
import { float32 } from "../tensor/index.ts";
import type { Beginning } from "./beginning.ts";
import type { createEstimate } from "./estimate.ts";
import type { StepEvent, StepProgress } from "./events.ts";
import { guidedPrediction, type Look } from "./guided-prediction.ts";
import type { InsideView } from "./inside-view.ts";
import type { NoisePredictor } from "./noise-predictor.ts";
import { type PreviewFactors, previewOf } from "./preview.ts";
import type { ResolvedSettings } from "./settings.ts";

/** A picture on its way from its first latents to its last. */
export interface Way {
  /** Which of all pictures. */
  readonly picture: number;
  readonly walk: Walk;
  /** Of the latents: [1, C, H, W]. */
  readonly shape: readonly number[];
  readonly beginning: Beginning;
  readonly draw: DrawNoise;
  readonly settings: ResolvedSettings;
  readonly unet: NoisePredictor;
  readonly signal: AbortSignal | undefined;
  readonly estimate: ReturnType<typeof createEstimate>;
  /** What the network is told in the next call. */
  nextLook(timestep: number, sigma: number): Look;
}

/** Walks it: an event for every call of the network, and in the end the latents. */
export type Steps<Step extends StepProgress> = (way: Way) => AsyncGenerator<Step, Float32Array, void>;

export interface ShownStepsOptions {
  /** Absent when no previews were asked for. */
  readonly previewFactors?: PreviewFactors | undefined;
  readonly view?: InsideView | undefined;
}

/** Steps that show their latents: the sampler's arithmetic is done here. */
export function shownSteps({ previewFactors, view }: ShownStepsOptions): Steps<StepEvent> {
  return async function* ({ picture, walk, shape, beginning, draw, settings, unet, signal, estimate, nextLook }) {
    let look: Look;
    const predict = (x: Float32Array, timestep: number, sigma: number) => {
      look = nextLook(timestep, sigma);
      return guidedPrediction({ x, beside: beginning.beside }, look, settings, unet, signal);
    };
    let latents = beginning.initial;
    for await (const step of walk.run(predict, beginning.initial, draw)) {
      const inside = view?.take(look!.told);
      signal?.throwIfAborted();
      estimate.done("call");
      beginning.hold?.(step);
      latents = step.latents;
      const x0 = float32(shape, step.x0);
      yield {
        type: "step",
        picture,
        call: step.call,
        calls: Math.max(walk.calls, step.call + 1),
        timestep: step.timestep,
        sigma: step.sigma,
        latents: float32(shape, step.latents.slice()),
        prediction: float32(shape, step.prediction),
        x0,
        preview: previewFactors && previewOf(x0, previewFactors),
        inside,
        secondsLeft: estimate.secondsLeft,
      };
    }
    return latents;
  };
}
