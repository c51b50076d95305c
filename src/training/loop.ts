import type { Runtime } from "../runtime/index.ts";
import { InputError, sizeOf } from "../tensor/index.ts";
import { shapesOf } from "./beginning.ts";
import type { Places, Skipped } from "./data/dataset.ts";
import type { TrainEvent } from "./events.ts";
import { whereItFits } from "./fitting-batch.ts";
import { alone } from "./group.ts";
import { learningRateAt } from "./learning-rate.ts";
import type { Lesson } from "./lesson.ts";
import { openRun, type Place, type Run } from "./run.ts";
import type { TrainSettings } from "./settings.ts";
import type { Batch } from "./trainer.ts";

/** How often a run goes back before it gives up. */
const RECOVERIES = 3;

/**
 * Teaches a lesson: batch after batch of the data, a step of AdamW after each, checkpoints now and then, and in the end the
 * model (the moving average of its weights) in `folder`. Whatever is random follows from the seed, and a run that goes on
 * from a checkpoint takes the very steps that it would have taken: bit for bit on the cpu with as many threads. Where several
 * processes learn together each of them runs this, and the first one alone writes.
 *
 * @throws InputError where memory does not suffice, saying which batch fits; where loss or weights are not finite for the
 *   fourth time; where nothing in the data can be used; where the checkpoint belongs to another model
 */
export async function* train<Thing extends object>(
  lesson: Lesson<Thing>,
  data: Places<Thing>,
  runtime: Runtime,
  settings: TrainSettings,
): AsyncGenerator<TrainEvent, void, void> {
  const { steps, batch, accumulate = 1, signal, folder, samples, group = alone } = settings;
  const loss = lesson.loss(batch);
  const { initial, frozen = () => undefined } = lesson;
  const shapes = new Map([...shapesOf(loss)].filter(([name]) => !frozen(name)));
  const skipped: Skipped[] = [];
  const open = (
    from: string | undefined,
    changes?: Pick<Run<Thing>, "rateFactor" | "recoveries">,
  ): Promise<Run<Thing>> =>
    openRun(data, runtime, {
      loss,
      shapes,
      initial,
      frozen,
      settings,
      from,
      changes,
      onSkip: (what) => skipped.push(what),
    });

  const tried = { lesson, batch, runtime, options: settings.optimizer };

  let good = settings.resume;
  let run = await open(good);
  let place = run.place;
  let next = prepare(run.trainer.steps);
  const pace = createPace();

  /** The batches of the step after so many, of what comes next; made while the step before it is computed. */
  function prepare(before: number): Promise<Prepared> {
    const made = (async () => {
      const batches: Batch[] = [];
      for (let i = 0; i < accumulate; i++) batches.push(await lesson.batch(await run.take(batch), run.random, before));
      return { batches, place: run.place };
    })();
    // It fails where it is asked for.
    made.catch(() => {});
    return made;
  }

  try {
    const begun = run.trainer.steps;
    if (begun >= steps) throw new InputError(`${good} has taken ${begun} steps already: ask for more than those.`);
    yield { type: "start", step: begun, steps, parameters: [...shapes.values()].reduce((n, s) => n + sizeOf(s), 0) };

    let stopped = false;
    // Whoever stops does so after the same step as all others.
    const goesOn = async (): Promise<boolean> => {
      stopped = await group.first(() => signal?.aborted ?? false);
      return !stopped;
    };
    while (run.trainer.steps < steps && (await goesOn())) {
      const prepared = await next;
      for (const what of skipped.splice(0)) yield { type: "skipped", ...what };
      const learningRate = learningRateAt(run.trainer.steps, settings) * run.rateFactor;
      const step = run.trainer.steps + 1;
      const stepping = run.trainer.step(prepared.batches, learningRate);
      if (step < steps) next = prepare(step);
      const { taken, loss, norm, rescaled } = await whereItFits(stepping, tried);
      if (taken || rescaled !== undefined) place = prepared.place;
      if (rescaled !== undefined) {
        yield { type: "rescaled", step, lossScale: rescaled };
        if (step === steps) next = prepare(step - 1);
        continue;
      }
      const due = taken && (step % settings.saveEvery === 0 || step === steps);
      const saved = due ? await run.save(place) : undefined;
      if (!taken || (due && !saved)) {
        if (run.recoveries === RECOVERIES) throw givenUp(step, good);
        const changes = { rateFactor: run.rateFactor / 2, recoveries: run.recoveries + 1 };
        await next.catch(() => {});
        await run.close();
        run = await open(good, changes);
        place = run.place;
        next = prepare(run.trainer.steps);
        yield { type: "recovered", step, from: run.trainer.steps, rateFactor: run.rateFactor };
        pace.rest();
        continue;
      }
      const seconds = pace.tick();
      const [imagesPerSecond, secondsLeft] = [(batch * accumulate * group.size) / seconds, (steps - step) * seconds];
      const epoch = place.position / data.length;
      yield { type: "step", step, steps, loss, norm, learningRate, imagesPerSecond, secondsLeft, epoch };
      if (saved) {
        good = saved;
        yield { type: "checkpoint", step, folder: saved };
      }
      if (samples && step % samples.every === 0 && (await goesOn())) {
        const paths = await group.first(async () => {
          await lesson.write(folder, await run.trainer.read("ema"));
          return samples.draw(step, folder);
        });
        yield { type: "sample", step, paths };
        pace.rest();
      }
    }

    const step = run.trainer.steps;
    if (stopped && step > begun && step % settings.saveEvery !== 0 && step !== steps) {
      const saved = await run.save(place);
      if (!saved) return;
      yield { type: "checkpoint", step, folder: saved };
    }
    await group.first(async () => lesson.write(folder, await run.trainer.read("ema")));
    yield { type: "saved", step, folder };
  } finally {
    await next.catch(() => {});
    await run.close();
  }
}

interface Prepared {
  readonly batches: readonly Batch[];
  /** Behind these. */
  readonly place: Place;
}

function givenUp(step: number, good: string | undefined): InputError {
  const state = good ? `The last good state is ${good}.` : "There was no checkpoint to go back to but the beginning.";
  return new InputError(
    `The loss was not finite in step ${step}, after ${RECOVERIES} times of going back at half the rate. ${state} ` +
      "Try a much lower learning rate (--lr), or look for broken pictures in the data.",
  );
}

/** Steps over which their time is averaged. */
const PACE = 20;

/** Seconds of a step, as the last ones took; what comes between steps is left out. */
function createPace() {
  let last = performance.now();
  const latest: number[] = [];
  return {
    tick(): number {
      const now = performance.now();
      latest.push((now - last) / 1000);
      if (latest.length > PACE) latest.shift();
      last = now;
      return latest.reduce((a, b) => a + b, 0) / latest.length;
    },
    rest(): void {
      last = performance.now();
    },
  };
}
