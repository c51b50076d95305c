import { float32, type Tensor } from "../tensor/index.ts";
import type { Said, StepInside, UnetCall } from "./inside.ts";
import type { Told } from "./words.ts";

/** Gathers what the U-Net says, which may take several calls of it, until the sampler's call is done. */
export interface InsideView {
  see(call: UnetCall): void;
  /** What was seen since the last time. */
  take(told: Told): StepInside;
}

export function createInsideView(): InsideView {
  let calls: UnetCall[] = [];
  return {
    see: (call) => void calls.push(call),
    take({ parts, uncond }) {
      const said = calls.flatMap((call) => call.said);
      const { sample } = calls.at(-1)!;
      const of = (words: Tensor<"float32"> | undefined) => words && said.find((each) => each.words === words);
      const [prompt, negative] = [of(parts[0]!.embedding), of(uncond)];
      const [, , height, width] = sample.shape as [number, number, number, number];
      const latents = ({ prediction }: Said) =>
        float32([1, prediction.length / (height * width), height, width], prediction);
      calls = [];
      return {
        seen: sample,
        ...(prompt && { cond: latents(prompt) }),
        ...(negative && { uncond: latents(negative) }),
        attention: prompt?.attention ?? {},
      };
    },
  };
}
