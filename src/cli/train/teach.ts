import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { makeFolder } from "../../image/index.ts";
import { noFloat16 } from "../../pipelines/no-float16.ts";
import type { MachineOptions } from "../../pipelines/opening.ts";
import type { Runtime } from "../../runtime/index.ts";
import {
  createEventFile,
  type EventFile,
  type Group,
  type Lesson,
  lockFolder,
  type Places,
  type RecipeKind,
  type TrainSettings,
  train,
  type WholeCommonRecipe,
} from "../../training/index.ts";
import type { Cli } from "../cli.ts";
import { UsageError } from "../errors.ts";
import { machineOf } from "../machine.ts";
import type { MachineFlags } from "../options.ts";
import { startLearning } from "./machine.ts";
import { type RecipeFlags, type Wanted, type WantedOfAny, wantedRecipe } from "./recipe.ts";
import { trainReporter } from "./reporter.ts";
import { startTeam } from "./team.ts";
import type { Watch, WatchOptions } from "./watch.ts";

export interface TrainOptions extends RecipeFlags, Pick<MachineFlags, "device" | "threads"> {
  /** The address of a Redis server. */
  readonly redis?: string;
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
   * @param machine that pictures may be drawn with
   * @throws InputError for what lies in files
   */
  prepare(wanted: Wanted<Kind>, cli: Cli, machine: MachineOptions): Promise<Prepared<Thing>>;
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
  const { output, processes = 1 }: WholeCommonRecipe = wanted.recipe;
  if (options.redis !== undefined && processes === 1) {
    throw new UsageError("--redis is where several processes meet: say how many with --processes");
  }
  const machine = shareOfMachine(await machineOf(options), processes);
  const prepared = await subject.prepare(wanted, cli, machine);
  cli.signal.throwIfAborted();

  const folder = resolve(output);
  const task = { kind: subject.kind.name, wanted, machine };
  const team = processes > 1 ? await startTeam({ size: processes, redis: options.redis, folder, task }) : undefined;
  try {
    const { runtime, choice } = await startLearning(machine);
    try {
      await checkPrecision(wanted.recipe, runtime);
      const lesson = await prepared.lesson(runtime, folder);
      const { name, length } = prepared.data;
      const several = team ? ` in ${processes} processes` : "";
      const intro = `${name}: ${length} ${subject.things}, on ${choice.device}${several} (${choice.reason})`;
      const { group } = team ?? {};
      await run({ wanted, prepared, ...subject, lesson, folder, runtime, machine, intro, group }, options, cli);
      await lesson.close();
    } finally {
      await runtime.close();
    }
  } finally {
    await team?.close();
  }
}

/** @throws InputError where the device has no 16-bit floats */
async function checkPrecision({ precision }: WholeCommonRecipe, { device, abilities }: Runtime): Promise<void> {
  if (precision === "float16" && !(await abilities?.float16())) throw noFloat16(device, "float32");
}

/** Weights that change all the time are not worth being prepared; processes side by side share the cores. */
function shareOfMachine({ device, threads }: MachineOptions, processes: number): MachineOptions {
  const own = processes > 1 ? Math.max(1, Math.floor(availableParallelism() / processes)) : undefined;
  return { device, threads: threads ?? own, prepared: false };
}

interface Running<Kind extends RecipeKind, Thing extends object> extends Pick<Subject<Kind, Thing>, "things"> {
  readonly wanted: Wanted<Kind>;
  readonly prepared: Prepared<Thing>;
  readonly lesson: Lesson<Thing>;
  readonly group?: Group;
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
  const { wanted, prepared, lesson, folder, runtime, machine, things, intro, group } = running;
  await makeFolder(folder);
  const unlock = await lockFolder(folder);
  const log = await createEventFile(join(folder, "logs"));
  const reporter = trainReporter(cli, log, { ...options, things });
  let watch: Watch | undefined;
  try {
    reporter.note(intro);
    watch = await watched(options, { folder, things });
    if (watch) reporter.note(`watch it at ${watch.address}`);
    const { every, open } = prepared.samples ?? {};
    const draw = every === undefined ? undefined : await open!({ runtime, machine, log });
    for await (const event of train(lesson, prepared.data, runtime, {
      ...settingsOf(wanted, prepared, folder),
      samples: draw && { every: every!, draw: stoppable(draw, cli.signal) },
      signal: cli.signal,
      group,
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

/** What every process of a run is told; the first one has samples to draw and a signal to look at besides. */
export function settingsOf(
  { recipe, resume }: WantedOfAny,
  { optimizer }: Pick<Prepared<object>, "optimizer">,
  folder: string,
): TrainSettings {
  const { steps, batch, accumulate, learningRate: rate, schedule, warmUp, seed, saveEvery, keep } = recipe;
  return {
    ...{ steps, batch, accumulate, rate, schedule, warmUp, seed, saveEvery, keep, folder },
    optimizer: {
      weightDecay: recipe.weightDecay,
      maxNorm: recipe.maxNorm,
      gradientCheckpointing: recipe.gradientCheckpointing,
      precision: recipe.precision,
      emaDecay: recipe.ema,
      emaWarmUp: true,
      ...(recipe.beta2 !== undefined && { beta2: recipe.beta2 }),
      ...optimizer,
    },
    resume,
    record: recipe,
  };
}
