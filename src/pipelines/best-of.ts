import { type Clip, clipScore } from "./clip.ts";
import type { EventBesideSteps, ImageEvent, ScoreEvent, StepProgress } from "./events.ts";
import type { ResolvedSettings } from "./settings.ts";
import { plainWords } from "./words.ts";

/** A CLIP that judges, and how many candidates there are for a picture. */
export interface Judging {
  readonly clip: Clip;
  readonly of: number;
  readonly signal?: AbortSignal;
}

/** A picture that may be kept, without its pixels in float32, four times as large. */
export type Drawn = Omit<ImageEvent, "pixels">;

/**
 * Judges every picture of a run by the prompt, `of` at a time: after each picture its score, after the last candidate
 * for a picture which of them was best. Of equals the first.
 *
 * @param events of a run that draws `of` pictures for every one that is wanted
 */
export async function* judged<Step extends StepProgress>(
  events: AsyncIterable<EventBesideSteps | Step>,
  settings: ResolvedSettings,
  { clip, of, signal }: Judging,
): AsyncGenerator<EventBesideSteps | Step, void, void> {
  const read = async (text: string) => ({ text, words: (await clip.embedTexts([text], { signal }))[0]! });
  // Before anything is drawn, since what is missing shows here.
  let told = await read(plainWords(settings));
  let best: ScoreEvent | undefined;
  for await (const event of events) {
    yield event;
    if (event.type !== "image") continue;
    const text = plainWords(event.settings);
    if (text !== told.text) told = await read(text);
    const [seen] = await clip.embedPictures([event.image], { signal });
    const { picture } = event;
    const score: ScoreEvent = {
      type: "score",
      picture,
      seed: event.settings.seed,
      score: clipScore(seen!, told.words),
      clip: clip.model,
      candidateFor: Math.floor(picture / of),
      of,
    };
    yield score;
    if (!best || score.score > best.score) best = score;
    if ((picture + 1) % of !== 0) continue;
    yield { ...best, type: "best" };
    best = undefined;
  }
}
