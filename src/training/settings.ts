import type { Group } from "./group.ts";
import type { LearningRate } from "./learning-rate.ts";
import type { TrainerOptions } from "./trainer.ts";

/** How a lesson is learnt (see `train`). */
export interface TrainSettings extends LearningRate {
  /** Examples that are computed at once, by each process. */
  readonly batch: number;
  /** Batches whose gradients are added up before a step is taken. Default 1. */
  readonly accumulate?: number;
  /** Fixes order, noise, levels and what is dropped. */
  readonly seed: number;
  /** Where checkpoints and the model go; it is there. */
  readonly folder: string;
  /** Steps between two checkpoints. There is one at the end in any case. */
  readonly saveEvery: number;
  /** How many checkpoints stay. */
  readonly keep: number;
  /** The checkpoint to go on from. */
  readonly resume?: string;
  readonly optimizer?: Omit<TrainerOptions, "start" | "frozen" | "group">;
  /** Stands in every checkpoint, for whoever goes on from it. */
  readonly record?: Readonly<Record<string, unknown>>;
  /** Pictures of what is learnt so far, drawn by the model as it was just written to `folder`. Gives their paths. */
  readonly samples?: { readonly every: number; draw(step: number, folder: string): Promise<readonly string[]> };
  /**
   * The processes that learn together, each a share of every batch: the same as one process with a batch that is as many times
   * as large. Default: this one alone.
   */
  readonly group?: Group;
  /** Stops after the step at hand, with a checkpoint. */
  readonly signal?: AbortSignal;
}
