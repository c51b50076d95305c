import type { Graph } from "../graph/index.ts";
import type { CpuGenerator } from "../tensor/index.ts";
import type { Example } from "./data/dataset.ts";
import type { Batch } from "./trainer.ts";

/** Something that can be learnt: what the loop (`train`) knows of a model. */
export interface Lesson {
  /** The loss of so many examples at once: a graph with a scalar output "loss". */
  loss(batch: number): Graph;
  /** What a parameter of the loss starts from. */
  initial(name: string): Float32Array;
  /** The inputs of the loss for these examples. Everything random in them comes from `random`. */
  batch(examples: readonly Example[], random: CpuGenerator): Promise<Batch>;
  /** Writes the model as others load it: a folder that may be there already, of an earlier state. */
  write(folder: string, weights: ReadonlyMap<string, Float32Array>): Promise<void>;
  /** Gives back what it holds of the runtime. */
  close(): Promise<void>;
}
