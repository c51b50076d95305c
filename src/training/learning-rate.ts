import type { LearningRateSchedule } from "./limits.ts";

export interface LearningRate {
  /** The highest rate, reached when the warm-up is over. */
  readonly rate: number;
  /** Default "constant". */
  readonly schedule?: LearningRateSchedule;
  /** Steps over which the rate rises from 0, the first of them at 0. Default 0: it begins at its highest. */
  readonly warmUp?: number;
  /** Of the whole run. */
  readonly steps: number;
}

/** What is left of the highest rate when a share `progress` ≥ 0 of the steps after the warm-up is over. */
const decays: Readonly<Record<LearningRateSchedule, (progress: number) => number>> = {
  constant: () => 1,
  linear: (progress) => Math.max(0, 1 - progress),
  /** Half a wave (Loshchilov & Hutter 2017, eq. 5, without restarts). */
  cosine: (progress) => Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress))),
};

/**
 * The rate of step `step`, counted from 0: rate · step / warmUp during the warm-up, then rate · decay(progress), progress
 * being (step − warmUp) / (steps − warmUp).
 */
export function learningRateAt(step: number, { rate, schedule = "constant", warmUp = 0, steps }: LearningRate): number {
  if (step < warmUp) return (rate * step) / warmUp;
  return rate * decays[schedule]((step - warmUp) / Math.max(1, steps - warmUp));
}
