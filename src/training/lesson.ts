import type { Graph } from "../graph/index.ts";
import type { Example } from "./data/dataset.ts";
import type { Draws } from "./share.ts";
import type { Batch, Frozen } from "./trainer.ts";

/** Something that can be learnt: what the loop (`train`) knows of a model. Things are what it learns from, pictures mostly. */
export interface Lesson<Thing extends object = Example> {
  /** The loss of so many examples at once: a graph with a scalar output "loss". */
  loss(batch: number): Graph;
  /** Where a parameter of the loss is stored that does not learn. Default: all learn. */
  readonly frozen?: Frozen;
  /** What one that learns starts from. */
  initial(name: string): Float32Array;
  /** The inputs of the loss for these examples, after `step` steps. Everything random in them comes from `random`. */
  batch(examples: readonly Thing[], random: Draws, step: number): Promise<Batch>;
  /** Whether a batch learns from how its examples differ, so that several of them are not what one larger one is. Default false. */
  readonly contrasts?: boolean;
  /** Writes the model as others load it: a folder that may be there already, of an earlier state. */
  write(folder: string, weights: ReadonlyMap<string, Float32Array>): Promise<void>;
  /** Gives back what it holds of the runtime. */
  close(): Promise<void>;
}
