import type { CaseKind, Tolerance } from "../support/cases.ts";
import type { RunTolerances } from "../support/pipelines.ts";

/**
 * What the WebGPU suites allow, in Node and in a page, with the largest error measured on the software adapter beside
 * it: none is wider than what the fixtures' README grants any device.
 */
export const tolerances: Readonly<Record<CaseKind, Tolerance & { readonly measured: number }>> = {
  module: { limit: 2e-6, per: "max", measured: 4.9e-7 },
  timesteps: { limit: 2e-6, per: "one", measured: 4.8e-7 },
  text: { limit: 1e-5, per: "std", measured: 2.3e-6 },
  unet: { limit: 3e-5, per: "std", measured: 7.1e-6 },
  clip: { limit: 1e-5, per: "std", measured: 1.2e-6 },
  vae: { limit: 5e-5, per: "std", measured: 1.3e-5 },
};

/** As above, for whole runs: a step's error is multiplied by the guidance and handed on to the next step. */
export const runLimits: RunTolerances & { readonly measured: RunTolerances } = {
  latents: 4e-5,
  image: 3e-5,
  image8: 1,
  measured: { latents: 1.1e-5, image: 6.8e-6, image8: 1 },
};
