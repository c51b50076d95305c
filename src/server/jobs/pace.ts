import type { DrawnSettings } from "../schema/draw.ts";

/** How fast pictures are drawn here, as far as it was seen. */
export interface Pace {
  /** A picture of these settings took so long. */
  seen(settings: DrawnSettings, seconds: number): void;
  /** Of all pictures of a job; undefined where its model has drawn none yet. */
  secondsOf(settings: DrawnSettings, drawn?: number): number | undefined;
}

/** What a new figure counts beside all that were seen before. */
const SHARE = 0.3;

/** Time is taken to grow with pixels and steps: good enough to tell a minute from an hour. */
export function createPace(): Pace {
  const seconds = new Map<string, number>();
  const size = ({ width, height, steps, strength = 1 }: DrawnSettings): number => width * height * steps * strength;
  return {
    seen(settings, took) {
      const rate = took / size(settings);
      const before = seconds.get(settings.model) ?? rate;
      seconds.set(settings.model, before + SHARE * (rate - before));
    },
    secondsOf(settings, drawn = 0) {
      const rate = seconds.get(settings.model);
      const { count, bestOf = 1 } = settings;
      return rate === undefined ? undefined : rate * size(settings) * (count - drawn) * bestOf;
    },
  };
}
