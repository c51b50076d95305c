import type { Runtime } from "../runtime/index.ts";
import { InputError, type Tensor, zeros } from "../tensor/index.ts";
import type { Lesson } from "./lesson.ts";
import { type Batch, createTrainer, type Trainer } from "./trainer.ts";

/** What ONNX Runtime, the C++ library and the system say where memory ends; the system ends the process by SIGKILL. */
const OUT_OF_MEMORY =
  /bad_?alloc|allocate memory|out of memory|not enough memory|SIGKILL|Failed to allocate|allocation failed/i;

type Learnable = Pick<Lesson, "loss" | "initial" | "frozen" | "contrasts">;

/**
 * What `step` comes to. Where memory does not suffice for it, smaller batches are tried, half as large each time.
 *
 * @throws InputError saying which of them fits
 */
export async function whereItFits<T>(step: Promise<T>, lesson: Learnable, batch: number, runtime: Runtime): Promise<T> {
  try {
    return await step;
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    const fitting = await fittingBatch(lesson, batch >> 1, runtime);
    throw new InputError(`There is not enough memory for a batch of ${batch}. ${advice(fitting, batch, lesson)}`, {
      cause: error,
    });
  }
}

function advice(fitting: number | undefined, batch: number, { contrasts }: Learnable): string {
  if (!fitting) return "Not even a single example fits: take a smaller size or model, or let less of it learn.";
  const fits = `A batch of ${fitting} fits, as was tried: take --batch ${fitting}`;
  if (contrasts) return `${fits}; each of its examples is then told from fewer others.`;
  return `${fits} --accumulate ${Math.ceil(batch / fitting)}, which learns the same.`;
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && OUT_OF_MEMORY.test(error.message);
}

/** The first batch of `batch`, its half, the half of that … with which a step can be taken; undefined where none can. */
async function fittingBatch(lesson: Learnable, batch: number, runtime: Runtime): Promise<number | undefined> {
  for (let size = batch; size >= 1; size >>= 1) {
    let trainer: Trainer | undefined;
    try {
      const loss = lesson.loss(size);
      trainer = await createTrainer(loss, lesson.initial, runtime, { frozen: lesson.frozen });
      await trainer.step(emptyBatch(loss), 0);
      return size;
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
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
