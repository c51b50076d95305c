import { join, resolve } from "node:path";
import { makeFolder } from "../../image/index.ts";
import { startMachine } from "../../pipelines/machine.ts";
import type { MachineOptions } from "../../pipelines/opening.ts";
import type { Runtime } from "../../runtime/index.ts";
import {
  createEventFile,
  type EventFile,
  type Lesson,
  lockFolder,
  type Places,
  type RecipeKind,
  type TrainSettings,
  train,
  type WholeCommonRecipe,
} from "../../training/index.ts";
import type { Cli } from "../cli.ts";
import { machineOf } from "../machine.ts";
import type { MachineFlags } from "../options.ts";
import { type RecipeFlags, type Wanted, wantedRecipe } from "./recipe.ts";
import { trainReporter } from "./reporter.ts";
import type { Watch, WatchOptions } from "./watch.ts";

export interface TrainOptions extends RecipeFlags, Pick<MachineFlags, "device" | "threads"> {
  /** The port of a page that shows how it goes; true: one that is free. */
  readonly watch?: number | true;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** A kind of model that learns, as far as the command line knows it. */
export interface Subject<Kind extends RecipeKind, Thing extends object> {
  readonly kind: Kind;
  /** What it learns from, for people: "pictures". */
  readonly things: string;
  /**
   * Opens the model and the data.
   *
   * @throws InputError for what lies in files
   */
  prepare(wanted: Wanted<Kind>, cli: Cli): Promise<Prepared<Thing>>;
}

/** What was found in files, before anything expensive starts. */
export interface Prepared<Thing extends object> {
  readonly data: Places<Thing>;
  /** @param folder the run's, which may not be there yet */
  lesson(runtime: Runtime, folder: string): Promise<Lesson<Thing>>;
  /** Shows what is learnt so far, every so many steps; see `TrainSettings`. */
  readonly samples?: { readonly every: number | undefined; open(context: SampleContext): Promise<Draw> };
  readonly optimizer?: TrainSettings["optimizer"];
}

type Draw = NonNullable<TrainSettings["samples"]>["draw"];

/** What samples are drawn with. */
export interface SampleContext {
  readonly runtime: Runtime;
  readonly machine: MachineOptions;
  /** Gets them too. */
  readonly log: Pick<EventFile, "picture">;
}

/**
 * Teaches a model, telling how it goes. Ctrl-C stops after the step at hand, with a checkpoint and the model so far.
 *
 * @throws UsageError where it is not said what to learn; InputError for what lies in files
 */
export async function teach<Kind extends RecipeKind, Thing extends object>(
  subject: Subject<Kind, Thing>,
  options: TrainOptions,
  cli: Cli,
): Promise<void> {
  const wanted = await wantedRecipe(subject.kind, options);
  const machine = { ...(await machineOf(options)), prepared: false } as const;
  const prepared = await subject.prepare(wanted, cli);
  cli.signal.throwIfAborted();

  const { output }: WholeCommonRecipe = wanted.recipe;
  const folder = resolve(output);
  const { runtime, choice } = await startMachine(machine, cli.env);
  try {
    const lesson = await prepared.lesson(runtime, folder);
    const { name, length } = prepared.data;
    const intro = `${name}: ${length} ${subject.things}, on ${choice.device} (${choice.reason})`;
    await run({ ...wanted, ...prepared, ...subject, lesson, folder, runtime, machine, intro }, options, cli);
    await lesson.close();
  } finally {
    await runtime.close();
  }
}

interface Running<Kind extends RecipeKind, Thing extends object>
  extends Wanted<Kind>,
    Omit<Prepared<Thing>, "lesson">,
    Pick<Subject<Kind, Thing>, "things"> {
  readonly lesson: Lesson<Thing>;
  readonly folder: string;
  readonly runtime: Runtime;
  readonly machine: MachineOptions;
  readonly intro: string;
}

/** Nothing is written before this: all that can be known to be wrong is known. */
async function run<Kind extends RecipeKind, Thing extends object>(
  running: Running<Kind, Thing>,
  options: TrainOptions,
  cli: Cli,
): Promise<void> {
  const { recipe, resume, lesson, data, folder, runtime, machine, samples, things, intro } = running;
  await makeFolder(folder);
  const unlock = await lockFolder(folder);
  const log = await createEventFile(join(folder, "logs"));
  const reporter = trainReporter(cli, log, { ...options, things });
  let watch: Watch | undefined;
  try {
    reporter.note(intro);
    watch = await watched(options, { folder, things });
    if (watch) reporter.note(`watch it at ${watch.address}`);
    const { every, open } = samples ?? {};
    const settings = settingsOf(recipe, folder);
    const draw = every === undefined ? undefined : await open!({ runtime, machine, log });
    for await (const event of train(lesson, data, runtime, {
      ...settings,
      optimizer: { ...settings.optimizer, ...running.optimizer },
      resume,
      samples: draw && { every: every!, draw: stoppable(draw, cli.signal) },
      signal: cli.signal,
    })) {
      await reporter.event(event);
      watch?.event(event);
    }
  } finally {
    reporter.end();
    await watch?.close();
    await log.close();
    unlock();
  }
}

async function watched({ watch }: TrainOptions, what: Omit<WatchOptions, "port">): Promise<Watch | undefined> {
  if (watch === undefined) return undefined;
  const { openWatch } = await import("./watch.ts");
  return openWatch({ ...what, port: watch === true ? 0 : watch });
}

/** Ctrl-C stops the samples; what was learnt is saved all the same. */
function stoppable(draw: Draw, signal: AbortSignal): Draw {
  return (step, folder) =>
    draw(step, folder).catch((error: unknown) => {
      if (signal.aborted) return [];
      throw error;
    });
}

function settingsOf(recipe: WholeCommonRecipe, folder: string): TrainSettings {
  const { steps, batch, accumulate, learningRate: rate, schedule, warmUp, seed, saveEvery, keep } = recipe;
  return {
    ...{ steps, batch, accumulate, rate, schedule, warmUp, seed, saveEvery, keep, folder },
    optimizer: {
      weightDecay: recipe.weightDecay,
      maxNorm: recipe.maxNorm,
      gradientCheckpointing: recipe.gradientCheckpointing,
      emaDecay: recipe.ema,
      emaWarmUp: true,
    },
    record: recipe,
  };
}
