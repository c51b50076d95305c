import type { Graph } from "../graph/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { CpuGenerator, seedSequence } from "../tensor/index.ts";
import { type Progress, readCheckpoint, readStates, saveCheckpoint } from "./checkpoint.ts";
import type { Places, Skipped } from "./data/dataset.ts";
import { walk } from "./data/walk.ts";
import { alone } from "./group.ts";
import type { ParameterShapes } from "./initial-weights.ts";
import { checkSameWeights } from "./same-weights.ts";
import type { TrainSettings } from "./settings.ts";
import { type Draws, sharedDraws, shareOf } from "./share.ts";
import { createTrainer, type Frozen, type Trainer } from "./trainer.ts";

/** A place in the data and among random numbers. */
export type Place = Pick<Progress, "position" | "random">;

/** A trainer, and where it stands in the data and among random numbers. */
export interface Run<Thing extends object> extends Pick<Progress, "rateFactor" | "recoveries"> {
  readonly trainer: Trainer;
  /** For the examples that this process takes. */
  readonly random: Draws;
  /** Behind what was taken last: places of the data that were passed, and what random numbers come next. */
  readonly place: Place;
  /** The next examples: of as many for each process those of this one. */
  take(count: number): Promise<readonly Thing[]>;
  /**
   * Saves a checkpoint and returns its path; undefined where a weight is not finite, which is no state to go back to.
   *
   * @param place behind what was learnt last
   */
  save(place: Place): Promise<string | undefined>;
  close(): Promise<void>;
}

export interface RunOptions {
  readonly loss: Graph;
  readonly shapes: ParameterShapes;
  readonly initial: (name: string) => Float32Array;
  readonly frozen?: Frozen;
  readonly settings: TrainSettings;
  /** The checkpoint to go on from. Default: none, it begins. */
  readonly from?: string;
  /** What is other than the checkpoint, or a beginning, says. */
  readonly changes?: Pick<Progress, "rateFactor" | "recoveries">;
  readonly onSkip: (what: Skipped) => void;
}

/** @throws InputError where the checkpoint is damaged or belongs to another model */
export async function openRun<Thing extends object>(
  data: Places<Thing>,
  runtime: Runtime,
  options: RunOptions,
): Promise<Run<Thing>> {
  const { loss, shapes, initial, frozen, settings, from, changes, onSkip } = options;
  const { seed, folder, keep, optimizer, group = alone } = settings;
  const known = from === undefined ? undefined : await readCheckpoint(from);
  const values = known && (await readStates(known.folder, shapes));
  const start = known && values && { steps: known.progress.step, lossScale: known.progress.lossScale, values };
  const { rateFactor = 1, recoveries = 0 } = { ...known?.progress, ...changes };

  const random = new CpuGenerator(seedSequence(BigInt(seed), [NOISE], 4, 1)[0]!);
  if (known) random.state = known.progress.random;
  let position = known?.progress.position ?? 0;
  const stops = walk(data, { seed, position, onSkip });
  const trainer = await createTrainer(loss, initial, runtime, { ...optimizer, start, frozen, group });
  await checkSameWeights(trainer, group);

  return {
    trainer,
    random: sharedDraws(random, group),
    rateFactor,
    recoveries,
    get place() {
      return { position, random: random.state };
    },
    async take(count) {
      const examples: Thing[] = [];
      while (examples.length < count * group.size) {
        const { value } = await stops.next();
        examples.push(value.example);
        position = value.position;
      }
      return shareOf(examples, group);
    },
    async save(place) {
      const { steps: step, lossScale } = trainer;
      const progress = { step, ...place, rateFactor, recoveries, ...(lossScale && { lossScale }) };
      await checkSameWeights(trainer, group);
      return group.first(() =>
        saveCheckpoint(folder, trainer, { shapes, progress, settings: settings.record ?? {}, keep }),
      );
    },
    close: () => trainer.close(),
  };
}

/** Tells the seeds of one run apart. */
const NOISE = 3;
