import type { Picture } from "../image/index.ts";
import type { GenerateEvent, Inkling, ResolvedSettings, StepEvent } from "../pipelines/index.ts";
import type { StepInside } from "../pipelines/inside.ts";
import type { GenerateSettings } from "../pipelines/settings.ts";
import { groupPlane, type LayerGroup, layerGroups } from "./heat-map.ts";
import type { Plane } from "./plane.ts";
import { type PromptWord, promptWords } from "./prompt-words.ts";

/** Where the layers of one size look, for each word of the prompt. */
export interface GroupMaps extends LayerGroup {
  readonly planes: readonly Plane[];
}

export type RunEvent =
  | { readonly type: "words"; readonly words: readonly PromptWord[] }
  | (Pick<StepEvent, "type" | "call" | "calls" | "timestep" | "sigma" | "latents" | "prediction" | "x0"> &
      Omit<StepInside, "attention"> & { readonly maps: readonly GroupMaps[] })
  | { readonly type: "image"; readonly image: Picture; readonly settings: ResolvedSettings };

/**
 * A picture is drawn, and every step tells what the U-Net saw and said and where it looked for each word: one picture, whatever
 * the settings say of more.
 */
export async function* explainedRun(
  settings: GenerateSettings,
  { stream, parts: { tokenizer } }: Pick<Inkling, "stream" | "parts">,
): AsyncGenerator<RunEvent, void, void> {
  let words: readonly PromptWord[] = [];
  for await (const event of stream({ ...settings, count: 1, bestOf: 1, inside: true })) {
    if (event.type === "tokens") {
      words = promptWords(event.cond, tokenizer);
      yield { type: "words", words };
    } else if (event.type === "step") yield explainedStep(event, words);
    else if (event.type === "image") yield { type: "image", image: event.image, settings: event.settings };
  }
}

function explainedStep(event: Extract<GenerateEvent, { type: "step" }>, words: readonly PromptWord[]): RunEvent {
  const { type, call, calls, timestep, sigma, latents, prediction, x0 } = event;
  const { attention, ...inside } = event.inside!;
  const maps = layerGroups(attention).map((group) => ({
    ...group,
    planes: words.map(({ tokens }) => groupPlane(attention, group, tokens)),
  }));
  return { type, call, calls, timestep, sigma, latents, prediction, x0, ...inside, maps };
}
