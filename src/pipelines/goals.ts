import type { Goal } from "./settings.ts";

/** The word for no goal, whatever the config file says. */
export const NO_GOAL = "none";

/** The goals that come with the package. */
export const GOALS: readonly Goal[] = [
  {
    name: "fast",
    about: "a picture soon: few steps, a small size, shortcuts that change little",
    // Shortcuts whose drift is within its bounds: bench/drift.mjs guards them.
    settings: {
      steps: 25,
      width: 256,
      height: 256,
      guidanceInterval: [0, 0.6],
      deepCache: 2,
      deepCacheFrom: 0.2,
      deepCacheLate: 10,
    },
    writer: { count: 4 },
  },
  {
    name: "quality",
    about: "care over time: many steps, a large size, close to the words; short prompts",
    settings: { steps: 75, width: 768, height: 768, guidance: 12 },
    writer: { maxLength: 17 },
  },
  {
    name: "creative",
    about: "room for surprises: looser guidance, bolder prompts",
    settings: { guidance: 7 },
    writer: { temperature: 1.3 },
  },
];
