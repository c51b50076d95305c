import type { Drawn } from "../pipelines/best-of.ts";
import type { BestEvent, ImageEvent, ScoreEvent } from "../pipelines/events.ts";

export interface Keeping {
  /** Candidates for each picture, and how many of them are kept: the best, or all. */
  readonly of: number;
  readonly kept: number;
  /** Saves a picture as the one of that number among those that are kept, and gives its path where it has one. */
  save(drawn: Drawn, index: number, judged?: ScoreEvent | BestEvent): Promise<string | undefined>;
  readonly onNote: (line: string) => void;
}

/** Which of the drawn pictures are saved: each; of candidates the best; or all of them, each with its score. */
export function keeper({ of, kept, save, onNote }: Keeping) {
  const keepAll = kept > 1;
  const candidates = new Map<number, Drawn>();
  const saved = new Map<number, string | undefined>();
  return {
    async onImage({ pixels: _, ...drawn }: ImageEvent): Promise<void> {
      if (of === 1) await save(drawn, drawn.picture);
      else candidates.set(drawn.picture, drawn);
    },
    async onJudged(event: ScoreEvent | BestEvent): Promise<void> {
      const drawn = candidates.get(event.picture)!;
      if (event.type === "score" && keepAll) saved.set(event.picture, await save(drawn, event.picture, event));
      if (event.type === "score") return;
      if (keepAll) onNote(`the best: ${saved.get(event.picture)}`);
      else await save(drawn, event.candidateFor, event);
      candidates.clear();
    },
  };
}
