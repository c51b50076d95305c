import type { MessageKey } from "../../i18n/i18n.ts";
import type { OverrideKey } from "../../state/draft.svelte.ts";

/** A number that can be set. The slider covers what makes sense; the field beside it takes all that the server does. */
export interface NumberRow {
  readonly key: OverrideKey;
  readonly label: MessageKey;
  readonly about: MessageKey;
  readonly slider: readonly [least: number, greatest: number];
  readonly step: number;
}

export const NUMBERS: readonly NumberRow[] = [
  { key: "steps", label: "set.steps", about: "set.steps.about", slider: [1, 100], step: 1 },
  { key: "guidance", label: "set.guidance", about: "set.guidance.about", slider: [0, 20], step: 0.5 },
];

export const BATCH: readonly NumberRow[] = [
  { key: "count", label: "set.count", about: "set.count.about", slider: [1, 16], step: 1 },
  { key: "bestOf", label: "set.bestOf", about: "set.bestOf.about", slider: [1, 16], step: 1 },
];

export const STRENGTH: NumberRow = {
  key: "strength",
  label: "set.strength",
  about: "set.strength.about",
  slider: [0, 1],
  step: 0.05,
};

export const FURTHER: readonly NumberRow[] = [
  { key: "guidanceRescale", label: "set.rescale", about: "set.rescale.about", slider: [0, 1], step: 0.05 },
  { key: "clipSkip", label: "set.clipSkip", about: "set.clipSkip.about", slider: [1, 6], step: 1 },
  { key: "deepCache", label: "set.deepCache", about: "set.deepCache.about", slider: [1, 6], step: 1 },
  { key: "tokenMerging", label: "set.merging", about: "set.merging.about", slider: [0, 0.75], step: 0.05 },
];

/** What holds where neither hand nor goal nor model says anything. */
export const NEUTRAL: Readonly<Partial<Record<OverrideKey, number>>> = {
  count: 1,
  bestOf: 1,
  strength: 0.8,
  guidanceRescale: 0,
  clipSkip: 1,
  deepCache: 1,
  tokenMerging: 0,
};
