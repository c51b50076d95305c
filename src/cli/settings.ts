import { basename } from "node:path";
import { type Infotext, parseInfotext } from "../image/infotext.ts";
import { readMetadata, readPictureFile } from "../image/read.ts";
import type { Config } from "../pipelines/config.ts";
import { provenanceFields, type ReadExtra, readExtra } from "../pipelines/infotext-extra.ts";
import type { WeightForm } from "../pipelines/limits.ts";
import type { EmbeddingSetting, GenerateSettings, Goal, GoalSettings } from "../pipelines/settings.ts";
import { defined, InputError } from "../tensor/index.ts";
import type { PredictionType } from "../weights/index.ts";
import type { Cli } from "./cli.ts";
import { findConfig } from "./config.ts";
import { UsageError } from "./errors.ts";
import { goalAsked, goalInName } from "./goal.ts";
import { checkNames } from "./names.ts";
import type { DrawingOptions } from "./options.ts";
import { missingStart, startOf } from "./start.ts";
import { wildcardsOf } from "./wildcards.ts";

/** What is to be drawn and with which model, flags and `--from` taken together. */
export interface Wish {
  readonly settings: GenerateSettings;
  readonly model: string | undefined;
  readonly prediction: PredictionType | undefined;
  readonly weights: WeightForm | undefined;
  /** Of the weights that the `--from` picture was drawn with. */
  readonly modelHash: string | undefined;
  /** What the `--from` picture tells of where its prompt is from, where that prompt is drawn again. */
  readonly provenance: Readonly<Record<string, string>>;
  /** What the settings' goal stands for, where it is not only a name that a picture bears. */
  readonly goal: Goal | undefined;
  /** What the config file says where no option does. */
  readonly defaults: NonNullable<Config["defaults"]>;
}

/**
 * The settings of a command line. Explicit flags win over `--goal`, that over the `--from` picture. Such a picture says
 * everything: only without one the defaults of the config file count.
 *
 * @throws UsageError where no prompt is given or a name is unknown; InputError where the picture is at fault
 */
export async function wishOf(
  words: readonly string[],
  options: DrawingOptions,
  cli: Pick<Cli, "env">,
  onNote: (line: string) => void,
): Promise<Wish> {
  const file = await findConfig(options, cli);
  const { defaults = {} } = file.config;
  const goal = await goalAsked(options, file);
  const taken = options.from ? await readSettings(options.from, options, defaults, onNote) : undefined;
  const { model: drawnWith, modelHash, ...from } = taken?.settings ?? {};
  const prompt = words.length > 0 ? words.join(" ") : from.prompt;
  if (prompt === undefined) {
    throw new UsageError('no prompt is given: write inkling "a lady with blue eyes", or "" to draw without one');
  }
  const given: Partial<GenerateSettings> = {
    negativePrompt: options.negative,
    promptSyntax: options.promptSyntax,
    emphasis: options.emphasis,
    steps: options.steps,
    ...options.size,
    guidance: options.guidance,
    guidanceRescale: options.guidanceRescale,
    guidanceInterval: options.guidanceInterval,
    ngms: options.ngms,
    deepCache: options.deepCache,
    deepCacheBranch: options.deepCacheBranch,
    deepCacheFrom: options.deepCacheFrom,
    deepCacheLate: options.deepCacheLate,
    tokenMerging: options.tokenMerging,
    sampler: options.sampler,
    schedule: options.schedule,
    eta: options.eta,
    seed: options.seed === "random" ? undefined : options.seed,
    rng: options.rng,
    clipSkip: options.clipSkip,
    adapters: options.lora,
    adapterFolder: options.loraFolder,
    embeddings: embeddingsOf(options, taken, defaults),
    ...(await startOf(options, taken)),
  };
  const { schedulerConfig, tiling, promptSyntax, emphasis } = taken ?? {};
  const { deepCache, deepCacheBranch, deepCacheFrom, deepCacheLate, tokenMerging } = taken ?? {};
  const reused = { deepCache, deepCacheBranch, deepCacheFrom, deepCacheLate, tokenMerging };
  const said = { ...from, schedulerConfig, tiling, promptSyntax, emphasis, ...reused };
  const suiting = await whatSuits(said, options.sampler ?? goal?.settings.sampler);
  for (const key of Object.keys(goal?.settings ?? {})) delete suiting[key as keyof GoalSettings];
  if (!taken && goal?.settings.negativePrompt === undefined) suiting.negativePrompt = defaults.negative;
  const settings: GenerateSettings = { ...suiting, ...defined(given), prompt };
  if (goal) settings.goal = goal;
  else if (taken?.goal && options.goal === undefined) settings.goal = goalInName(taken.goal);
  settings.wildcards = await wildcardsOf(words, options, onNote);
  if (options.seed === "random") delete settings.seed;
  await checkNames({ ...goal?.settings, ...settings });
  return {
    settings,
    model: options.model ?? (await modelOf(drawnWith, options.from, cli)) ?? defaults.model,
    prediction: options.prediction ?? taken?.prediction,
    weights: options.weights ?? taken?.weights ?? (taken ? undefined : defaults.weights),
    modelHash,
    provenance: words.length > 0 ? {} : provenanceIn(taken),
    goal,
    defaults,
  };
}

function provenanceIn(taken: Infotext | undefined): Record<string, string> {
  return Object.fromEntries([...(taken?.fields ?? [])].filter(([name]) => provenanceFields.includes(name)));
}

/** A1111's field of the embeddings that a picture was drawn with. */
const EMBEDDINGS = "TI hashes";

/** The config file's are at hand beside those that are given, but mean nothing to a picture that was drawn without any. */
function embeddingsOf(
  { embedding }: DrawingOptions,
  taken: Infotext | undefined,
  { embeddings }: Wish["defaults"],
): EmbeddingSetting[] | undefined {
  const atHand = taken && !taken.fields.has(EMBEDDINGS) ? {} : { ...embeddings };
  const all = [...(embedding ?? []), ...Object.entries(atHand).map(([name, file]) => ({ name, file }))];
  return all.length > 0 ? all : undefined;
}

/** What a picture says without what was meant for its sampler alone, where another one is asked for. */
async function whatSuits(
  from: Partial<GenerateSettings>,
  sampler: string | undefined,
): Promise<Partial<GenerateSettings>> {
  if (sampler === undefined) return { ...from };
  await checkNames({ sampler });
  const { schedule: _, schedulerConfig: __, eta, ...rest } = from;
  const { findSampler } = await import("../diffusion/registry.ts");
  return eta !== undefined && findSampler(sampler).takesEta ? { ...rest, eta } : rest;
}

/** What a picture says, and a note for whatever of it will not come out the same. */
async function readSettings(
  path: string,
  options: DrawingOptions,
  { embeddings }: Wish["defaults"],
  onNote: (line: string) => void,
): Promise<Infotext & ReadExtra> {
  const { infotext, notes } = readMetadata(await readPictureFile(path), path);
  for (const note of notes) onNote(note);
  if (infotext === undefined) throw new InputError(`${path} carries no settings, so there is nothing to take over.`);
  const found = parseInfotext(infotext);
  if (found.settings.rng === "cuda" && !found.fields.has("RNG") && !options.rng) {
    onNote(`${path} does not say whose random numbers it was drawn with: CUDA's are taken, as A1111 means it.`);
  }
  const extra = readExtra(found.fields);
  const missing = missingStart(extra, options);
  if (missing) onNote(`${path} was drawn from ${missing}, or it will differ.`);
  const given: Readonly<Record<string, unknown>> = {
    VAE: options.vae,
    Config: options.config,
    Adapters: options.lora,
    [EMBEDDINGS]: options.embedding ?? embeddings,
  };
  const lost = extra.lost.filter((field) => given[field] === undefined);
  if (lost.length > 0) onNote(`${path} was drawn with what is not taken over (${lost.join(", ")}), so it will differ.`);
  return { ...found, ...extra };
}

/**
 * The model that a picture names, where it can be had here: another one would draw another picture. What a picture says
 * is a name, never a path: that of a stranger's folder could be anything here.
 */
async function modelOf(name: string | undefined, from: string | undefined, cli: Pick<Cli, "env">) {
  if (name === undefined) return undefined;
  const { resolveModel } = await import("../hub/index.ts");
  const found = /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(name)
    ? await resolveModel(name, cli.env).catch((error: unknown) => {
        if (error instanceof InputError) return undefined;
        throw error;
      })
    : undefined;
  if (found && found.source !== "path") return name;
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  throw new InputError(
    `${basename(from!)} was drawn with the model "${shown}", which is not known here by that name. Say where it is, or which other one to take, with --model.`,
  );
}
