/** What is compared of a run. Free of Node and of the test runner: pages draw too. */
import type { GenerateEvent, ImageEvent, StartEvent, StepEvent, TokensEvent } from "../../src/pipelines/events.ts";

/** What one picture's events say. */
export interface Drawn {
  readonly start: Pick<StartEvent, "noise" | "initNoiseSigma" | "initial">;
  readonly tokens: Pick<TokensEvent, "cond" | "uncond">;
  readonly steps: readonly Pick<StepEvent, "timestep" | "latents">[];
  readonly image: Pick<ImageEvent, "pixels"> & { readonly image: Pick<ImageEvent["image"], "data"> };
}

/** The events of one picture among those of a whole run. */
export async function drawnOf(events: AsyncIterable<GenerateEvent>, picture: number): Promise<Drawn> {
  let start: StartEvent | undefined;
  let tokens: TokensEvent | undefined;
  let image: ImageEvent | undefined;
  const steps: StepEvent[] = [];
  for await (const event of events) {
    if (event.type === "tokens") tokens = event;
    if (!("picture" in event) || event.picture !== picture) continue;
    if (event.type === "start") start = event;
    else if (event.type === "step") steps.push(event);
    else if (event.type === "image") image = event;
  }
  if (!start || !tokens || !image) throw new Error(`The run drew no picture ${picture}.`);
  return { start, tokens, steps, image };
}
