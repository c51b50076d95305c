import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { parseConfig } from "../configs/index.ts";
import { makeFolder, saveBytes } from "../image/index.ts";
import { type CpuGeneratorState, float32, InputError, toFloat32 } from "../tensor/index.ts";
import { encodeSafetensors, readJson, readSafetensors, readTensor } from "../weights/index.ts";
import { STATES } from "./adamw.ts";
import type { ParameterShapes } from "./initial-weights.ts";
import type { LossScale } from "./loss-scale.ts";
import type { Trainer, TrainerState } from "./trainer.ts";

/** Where a run stands, beside its weights and what the optimizer remembers of them. */
export interface Progress {
  /** Steps that were taken. */
  readonly step: number;
  /** Places of the data that were passed. */
  readonly position: number;
  /** Of the generator of noise, levels and what is dropped. */
  readonly random: CpuGeneratorState;
  /** What the learning rate is multiplied with: halved whenever a run had to go back. */
  readonly rateFactor: number;
  /** How often it went back. */
  readonly recoveries: number;
  /** Where products are computed in float16. */
  readonly lossScale?: LossScale;
}

/** A run as it was saved. */
export interface Checkpoint {
  readonly folder: string;
  readonly progress: Progress;
  /** What the run was asked for, as {@link saveCheckpoint} was given it. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const NAME = /^checkpoint-(\d+)$/;
const DRAFT = /^\.checkpoint-.*\.tmp$/;
const FORMAT = 1;

const schema = z.object({
  format: z.literal(FORMAT),
  step: z.int().min(0),
  position: z.int().min(0),
  random: z.object({ words: z.array(z.int().min(0).max(0xffffffff)), at: z.int(), spare: z.number().optional() }),
  rateFactor: z.number().positive(),
  recoveries: z.int().min(0),
  lossScale: z.object({ factor: z.number().positive(), steps: z.int().min(0) }).optional(),
  settings: z.record(z.string(), z.unknown()),
});

/** The checkpoints in the folder of a run, the latest first. */
export async function listCheckpoints(run: string): Promise<{ readonly step: number; readonly path: string }[]> {
  const steps = (await readdir(run).catch(() => [])).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
  return steps.toSorted((a, b) => b - a).map((step) => ({ step, path: join(run, nameOf(step)) }));
}

export interface Saving {
  readonly shapes: ParameterShapes;
  readonly progress: Progress;
  readonly settings: Checkpoint["settings"];
  /** How many checkpoints stay, of this step and those before it. */
  readonly keep: number;
}

/**
 * Saves a run in the folder `checkpoint-STEP` of `run`, whole or not at all, and deletes the oldest.
 *
 * @returns its path; undefined where a number is not finite, which is no state to go back to: then nothing is written
 * @throws InputError naming the file that cannot be written
 */
export async function saveCheckpoint(
  run: string,
  trainer: Pick<Trainer, "read">,
  { shapes, progress, settings, keep }: Saving,
): Promise<string | undefined> {
  const folder = join(run, nameOf(progress.step));
  await removeDrafts(run);
  const draft = join(run, `.${nameOf(progress.step)}-${randomBytes(4).toString("hex")}.tmp`);
  // process.exit() in the midst of this, from a second Ctrl-C, must not leave the draft.
  const clean = (): void => rmSync(draft, { recursive: true, force: true });
  process.once("exit", clean);
  try {
    await makeFolder(draft);
    for (const state of STATES) {
      const values = [...(await trainer.read(state))];
      if (!values.every(([, data]) => allFinite(data))) return undefined;
      const tensors = Object.fromEntries(values.map(([name, data]) => [name, float32(shapes.get(name)!, data)]));
      await saveBytes(join(draft, fileOf(state)), encodeSafetensors(tensors));
    }
    const random = { ...progress.random, words: [...progress.random.words] };
    await saveBytes(join(draft, "state.json"), json({ format: FORMAT, ...progress, random, settings }));
    // A folder that is not empty cannot be replaced in one step; it is of this step, and as good.
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } finally {
    process.off("exit", clean);
    clean();
  }
  const older = (await listCheckpoints(run)).filter(({ step }) => step < progress.step);
  for (const { path } of older.slice(keep - 1)) await rm(path, { recursive: true });
  return folder;
}

function allFinite(data: Float32Array): boolean {
  let sum = 0;
  for (const value of data) sum += value - value;
  return sum === 0;
}

/**
 * What a checkpoint says, without its weights.
 *
 * @throws InputError naming the file: missing, damaged, of another version
 */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const file = join(folder, "state.json");
  const { format: _, settings, ...progress } = parseConfig(schema, await readJson(file), file);
  const random = { ...progress.random, words: Uint32Array.from(progress.random.words) };
  return { folder, progress: { ...progress, random }, settings };
}

/**
 * The weights of a checkpoint and what the optimizer remembers of them.
 *
 * @throws InputError naming the file, where it does not hold exactly these parameters
 */
export async function readStates(
  folder: string,
  shapes: ParameterShapes,
): Promise<(state: TrainerState, name: string) => Float32Array> {
  const states = new Map<TrainerState, Map<string, Float32Array>>();
  for (const state of STATES) {
    const path = join(folder, fileOf(state));
    const { tensors } = await readSafetensors(path);
    const values = new Map<string, Float32Array>();
    for (const [name, shape] of shapes) {
      const stored = tensors.get(name);
      if (!stored || stored.shape.join() !== shape.join()) {
        throw new InputError(`${path} does not belong to this model: it has no "${name}" of the shape [${shape}].`);
      }
      values.set(name, toFloat32(await readTensor(stored)));
    }
    states.set(state, values);
  }
  return (state, name) => states.get(state)!.get(name)!;
}

/** What a process that was killed while it wrote left behind. */
async function removeDrafts(run: string): Promise<void> {
  for (const name of await readdir(run)) {
    if (DRAFT.test(name)) await rm(join(run, name), { recursive: true, force: true });
  }
}

const nameOf = (step: number): string => `checkpoint-${step}`;
const fileOf = (state: TrainerState): string => `${state}.safetensors`;

export function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}
