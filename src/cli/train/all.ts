import { cp, readdir, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { makeFolder, saveBytes } from "../../image/index.ts";
import { InputError, randomSeed } from "../../tensor/index.ts";
import {
  checkStaged,
  listCheckpoints,
  REFERENCE,
  type StagedRecipe,
  type StageKind,
  scalingFactorOf,
} from "../../training/index.ts";
import { openModelPart, readJson } from "../../weights/index.ts";
import { type Cli, write } from "../cli.ts";
import { loadFile } from "../config.ts";
import { remark, UsageError } from "../errors.ts";
import { jsonLine } from "../json.ts";
import { machineOf } from "../machine.ts";
import { examplesOf, openData, sidesOf } from "./data.ts";
import { startLearning } from "./machine.ts";
import { isThere } from "./model.ts";
import { placed, withPlaces } from "./recipe.ts";
import type { TrainOptions } from "./teach.ts";

export interface AllOptions extends Pick<TrainOptions, "device" | "threads" | "json" | "quiet" | "seed"> {
  readonly config: string;
  readonly out: string;
  /** Of steps and batches. */
  readonly scale?: number;
}

type StageRecipe = StagedRecipe["stages"][string];

/** What a run of several stages is, and how far it came. */
interface Begun {
  readonly recipe: StagedRecipe;
  readonly done: readonly string[];
}

/** Pictures that the factor of a VAE's latents is measured on. */
const MEASURED = 64;

const teachers: Readonly<{ [Kind in StageKind]: () => Promise<(options: TrainOptions, cli: Cli) => Promise<void>> }> = {
  vae: async () => (await import("./vae.ts")).trainVae,
  clip: async () => (await import("./clip.ts")).trainClip,
  diffusion: async () => (await import("./diffusion.ts")).trainDiffusion,
  gpt2: async () => (await import("./gpt2.ts")).trainGpt2,
  captioner: async () => (await import("./captioner.ts")).trainCaptioner,
};

/**
 * Teaches a model stage by stage, each in a folder of its own below `stages`, and puts what they wrote together. The same command
 * again goes on where it stopped.
 *
 * @throws UsageError where the folder holds another run; InputError for what lies in files
 */
export async function trainAll(options: AllOptions, cli: Cli): Promise<void> {
  const { config, out, json, quiet = false } = options;
  const folder = resolve(out);
  const { recipe, done } = await begin(folder, checkStaged(await loadFile(config), config), options);
  const names = Object.keys(recipe.stages);
  // The folders of stages are no result: what is, comes last.
  const aside: Cli = json ? cli : { ...cli, stdout: cli.stderr };
  for (const [i, name] of names.entries()) {
    if (done.includes(name)) continue;
    if (!quiet) remark(cli, `stage ${i + 1} of ${names.length}: ${name}`);
    if (json) await write(cli.stdout, jsonLine({ type: "stage", stage: name, number: i + 1, stages: names.length }));
    await teachStage(folder, name, recipe.stages[name]!, options, aside);
    cli.signal.throwIfAborted();
    await save(folder, { recipe, done: names.slice(0, i + 1) });
  }
  await assemble(folder, recipe);
  await write(cli.stdout, json ? jsonLine({ type: "model", folder }) : `${folder}\n`);
}

const folderOf = (folder: string, stage: string): string => join(folder, "stages", stage);
const recordOf = (folder: string): string => join(folder, "recipe.json");

/** The run in the folder, which must be this one, or a new one. */
async function begin(folder: string, recipe: StagedRecipe, { config, scale = 1, seed }: AllOptions): Promise<Begun> {
  const known = (await isThere(recordOf(folder)))
    ? ((await readJson(recordOf(folder))) as unknown as Begun)
    : undefined;
  const own = seed ?? recipe.seed ?? known?.recipe.seed ?? randomSeed();
  const stages = Object.entries(recipe.stages).map(([name, stage]): [string, StageRecipe] => {
    const there = withPlaces(placed(stage, config), (place) => {
      const [, other] = REFERENCE.exec(place) ?? [];
      return other === undefined ? place : folderOf(folder, other);
    });
    return [name, { seed: own, ...scaled(there, scale) }];
  });
  const wanted = { ...recipe, seed: own, stages: Object.fromEntries(stages) };
  if (known) {
    if (JSON.stringify(known.recipe) === JSON.stringify(wanted)) return known;
    throw new UsageError(`${folder} was begun with another recipe, scale or seed: name another folder with --out`);
  }
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0) throw new InputError(`${folder} is not empty: name another folder for the model.`);
  const record = { recipe: wanted, done: [] };
  await save(folder, record);
  return record;
}

async function save(folder: string, record: Begun): Promise<void> {
  await makeFolder(folder);
  await saveBytes(recordOf(folder), bytesOf(record), { overwrite: true });
}

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);

/** What counts steps, and may come to nothing. */
const WAITS = ["warmUp", "discriminatorStart"];
/** What counts steps or batches, and the least of it: of one pair CLIP learns nothing. */
const COUNTS = { steps: 1, saveEvery: 1, samplesEvery: 1, accumulate: 1, batch: 2 };

/** A recipe in small. */
function scaled(recipe: StageRecipe, scale: number): StageRecipe {
  const least = (key: string) => (WAITS.includes(key) ? 0 : (COUNTS as Readonly<{ [key: string]: number }>)[key]);
  const entries = Object.entries(recipe).map(([key, value]): [string, unknown] => {
    const low = least(key);
    if (low === undefined || typeof value !== "number" || scale === 1) return [key, value];
    return [key, Math.max(low, Math.round(value * scale))];
  });
  return Object.fromEntries(entries) as StageRecipe;
}

async function teachStage(folder: string, name: string, recipe: StageRecipe, options: AllOptions, cli: Cli) {
  const { device, threads, json, quiet } = options;
  const output = folderOf(folder, name);
  const file = `${output}.json`;
  await makeFolder(folderOf(folder, ""));
  await saveBytes(file, bytesOf(recipe), { overwrite: true });
  // One that was stopped between its last checkpoint and its model takes its last steps again.
  const resume = (await listCheckpoints(output).catch(() => [])).find(({ step }) => step < (recipe["steps"] as number));
  if (!resume) await rm(output, { recursive: true, force: true });
  const teach = await teachers[recipe.learns]();
  await teach({ config: file, out: output, resume: resume?.path, device, threads, json, quiet }, cli);
  cli.signal.throwIfAborted();
  if (recipe.learns === "vae") await measure(output, recipe, options, cli);
}

/** Tells a VAE that stands alone how its latents are to be multiplied. */
async function measure(folder: string, recipe: StageRecipe, options: AllOptions, cli: Cli): Promise<void> {
  const file = join(folder, "config.json");
  if (!(await isThere(file))) return;
  const part = await openModelPart(folder);
  const size = sidesOf((recipe["size"] ?? part.config["sample_size"] ?? 256) as number);
  const { data } = recipe as unknown as { data: Parameters<typeof openData>[0]["data"] };
  const pictures = await examplesOf(await openData({ data, caption: "", flip: false }, size, cli.signal), MEASURED);
  const { runtime } = await startLearning(await machineOf(options));
  try {
    const factor = await scalingFactorOf(
      part,
      pictures.map(({ picture }) => picture),
      runtime,
    );
    await saveBytes(file, bytesOf({ ...part.config, scaling_factor: factor }), { overwrite: true });
  } finally {
    await runtime.close();
  }
}

/** What a run keeps beside its model. */
const OF_THE_RUN = /^(checkpoint-\d+|logs|cache|samples|\..*)$/;

/** Puts the model together: what makes its folder one comes last. */
async function assemble(folder: string, { model, beside = {} }: StagedRecipe): Promise<void> {
  for (const [name, stage] of Object.entries(beside)) await copyModel(folderOf(folder, stage), join(folder, name));
  await copyModel(folderOf(folder, model), folder);
}

async function copyModel(from: string, to: string): Promise<void> {
  const names = (await readdir(from)).filter((name) => !OF_THE_RUN.test(name));
  const last = (name: string): boolean => name === "model_index.json" || name === "config.json";
  await makeFolder(to);
  for (const name of names.sort((a, b) => Number(last(a)) - Number(last(b)))) {
    await cp(join(from, name), join(to, name), { recursive: true });
  }
}
