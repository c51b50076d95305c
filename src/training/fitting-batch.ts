import { isOutOfMemory, type Runtime } from "../runtime/index.ts";
import { InputError, type Tensor, zeros } from "../tensor/index.ts";
import type { Lesson } from "./lesson.ts";
import { type Batch, createTrainer, type Trainer, type TrainerOptions } from "./trainer.ts";

export interface Tried {
  readonly lesson: Pick<Lesson, "loss" | "initial" | "frozen" | "contrasts">;
  /** Of the step. */
  readonly batch: number;
  readonly runtime: Runtime;
  readonly options?: Omit<TrainerOptions, "start" | "frozen">;
}

/**
 * What `step` comes to. Where memory does not suffice for it, smaller batches are tried, half as large each time.
 *
 * @throws InputError saying which of them fits
 */
export async function whereItFits<T>(step: Promise<T>, tried: Tried): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (!lacksMemory(error)) throw error;
    const fitting = await fittingBatch({ ...tried, batch: tried.batch >> 1 });
    throw new InputError(`There is not enough memory for a batch of ${tried.batch}. ${advice(fitting, tried)}`, {
      cause: error,
    });
  }
}

function advice(fitting: number | undefined, { batch, lesson: { contrasts }, options }: Tried): string {
  const spared = options?.gradientCheckpointing ? "" : " With --gradient-checkpointing each takes less memory.";
  if (!fitting)
    return `Not even a single example fits: take a smaller size or model, or let less of it learn.${spared}`;
  const fits = `A batch of ${fitting} fits, as was tried: take --batch ${fitting}`;
  if (contrasts) return `${fits}; each of its examples is then told from fewer others.${spared}`;
  return `${fits} --accumulate ${Math.ceil(batch / fitting)}, which learns the same.${spared}`;
}

function lacksMemory(error: unknown): boolean {
  return error instanceof Error && isOutOfMemory(error.message);
}

/** The first batch of `batch`, its half, the half of that … with which a step can be taken; undefined where none can. */
async function fittingBatch({ lesson, batch, runtime, options }: Tried): Promise<number | undefined> {
  for (let size = batch; size >= 1; size >>= 1) {
    let trainer: Trainer | undefined;
    try {
      const loss = lesson.loss(size);
      trainer = await createTrainer(loss, lesson.initial, runtime, { ...options, frozen: lesson.frozen });
      await trainer.step(emptyBatch(loss), 0);
      return size;
    } catch (error) {
      if (!lacksMemory(error)) throw error;
    } finally {
      await trainer?.close().catch(() => {});
    }
  }
  return undefined;
}

/** Inputs of a graph's shapes, all zero. */
function emptyBatch({ inputs }: ReturnType<Lesson["loss"]>): Batch {
  const given = inputs.map(({ name, dtype, shape }): [string, Tensor] => [name, zeros(dtype, shape as number[])]);
  return Object.fromEntries(given);
}
