import { readdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { defined, InputError, randomSeed } from "../../tensor/index.ts";
import {
  checkRecipe,
  fixedKeys,
  type LearningRateSchedule,
  listCheckpoints,
  type Recipe,
  readCheckpoint,
  recipeDefaults,
} from "../../training/index.ts";
import { loadFile } from "../config.ts";
import { UsageError } from "../errors.ts";

/** What of a recipe options say. */
export interface RecipeFlags {
  readonly config?: string;
  readonly data?: string;
  readonly from?: string;
  readonly out?: string;
  readonly steps?: number;
  /** true: the latest checkpoint. */
  readonly resume?: string | true;
  readonly batch?: number;
  readonly accumulate?: number;
  readonly size?: { readonly width: number; readonly height: number };
  readonly flip?: boolean;
  readonly lr?: number;
  readonly schedule?: LearningRateSchedule;
  readonly warmUp?: number;
  readonly weightDecay?: number;
  readonly maxNorm?: number;
  readonly ema?: number;
  readonly trainTextEncoder?: boolean;
  readonly captionDropout?: number;
  readonly snrGamma?: number;
  readonly seed?: number;
  readonly saveEvery?: number;
  readonly keep?: number;
  readonly samplesEvery?: number;
  readonly sample?: readonly string[];
}

/** A recipe that says all it has to. */
export type WholeRecipe = Recipe &
  Required<Pick<Recipe, "data" | "output" | "steps" | "seed" | keyof typeof recipeDefaults>>;

export interface Wanted {
  readonly recipe: WholeRecipe;
  /** The file that describes the model, for messages. */
  readonly file: string;
  /** The checkpoint to go on from. */
  readonly resume?: string;
}

/**
 * What is to be learnt: the options, else the recipe file; of a run that goes on, else what that was begun with.
 *
 * @throws UsageError where something is missing, or would make another run of one that goes on; InputError where the file or the
 *   checkpoint is at fault, or the folder holds something else
 */
export async function wantedRecipe(flags: RecipeFlags): Promise<Wanted> {
  const file =
    flags.config === undefined ? {} : placed(checkRecipe(await loadFile(flags.config), flags.config), flags.config);
  const given: Recipe = { ...file, ...defined(ofFlags(flags)) };
  const resume = await checkpointOf(flags.resume, given.output);
  const begun = resume === undefined ? undefined : await readCheckpoint(resume);
  const before = begun && checkRecipe(begun.settings, resume!);
  if (before) checkSame(given, before, resume!);
  const recipe = { ...recipeDefaults, seed: randomSeed(), ...before, ...given };
  const { data, output, steps } = recipe;
  if (output === undefined) throw new UsageError("where the model goes is not said: add --out my-model");
  if (data === undefined) throw new UsageError("what to learn from is not said: add --data my-pictures");
  if (steps === undefined) throw new UsageError("how long to learn is not said: add --steps 1000");
  if ((recipe.from === undefined) === (recipe.model === undefined)) {
    throw new UsageError(
      recipe.from === undefined
        ? "the model to begin with is not said: add --from inkdrop-256, or --config with a recipe that describes one"
        : "there are two models to begin with: --from and that of the recipe. Take one of them",
    );
  }
  if (resume === undefined) await checkEmpty(output);
  return { recipe: { ...recipe, data, output, steps }, file: flags.config ?? resume ?? "The recipe", resume };
}

function ofFlags({ out, lr, size, sample, ...flags }: RecipeFlags): Recipe {
  const { data, from, steps, batch, accumulate, flip, schedule, warmUp, weightDecay, maxNorm, ema, seed } = flags;
  const { trainTextEncoder, captionDropout, snrGamma, saveEvery, keep, samplesEvery } = flags;
  return {
    ...{ data, from, steps, batch, accumulate, flip, schedule, warmUp, weightDecay, maxNorm, ema, seed },
    ...{ trainTextEncoder, captionDropout, snrGamma, saveEvery, keep, samplesEvery },
    output: out,
    learningRate: lr,
    size: size && [size.width, size.height],
    samples: sample && [...sample],
  };
}

/** Paths in a recipe that begin with a dot are seen from its folder. */
function placed(recipe: Recipe, file: string): Recipe {
  const from = <T extends string | undefined>(path: T): T =>
    (path !== undefined && /^\.\.?[/\\]/.test(path) ? resolve(dirname(file), path) : path) as T;
  const { model } = recipe;
  return {
    ...recipe,
    ...defined({
      from: from(recipe.from),
      data: typeof recipe.data === "string" ? from(recipe.data) : recipe.data,
      output: from(recipe.output),
    }),
    ...(model && { model: { ...model, tokenizer: from(model.tokenizer), ...defined({ vae: from(model.vae) }) } }),
  };
}

/** The checkpoint that `--resume` means. */
async function checkpointOf(asked: RecipeFlags["resume"], output: string | undefined): Promise<string | undefined> {
  if (asked === undefined) return undefined;
  if (asked !== true) return asked;
  if (output === undefined) throw new UsageError("--resume goes on with the run in --out: say which folder that is");
  const [latest] = await listCheckpoints(output);
  if (latest) return latest.path;
  throw new InputError(`${output} holds no checkpoint to go on from. Leave --resume away to begin there.`);
}

function checkSame(given: Recipe, before: Recipe, resume: string): void {
  for (const key of fixedKeys) {
    const [now, then] = [given[key], before[key]].map((value) => JSON.stringify(value));
    if (now === undefined || now === then) continue;
    const short = (value: string | undefined) => (value && value.length > 40 ? "another one" : value);
    throw new UsageError(
      `${resume} was begun with ${key} ${short(then) ?? "unset"}, not ${short(now)}: that is another run. ` +
        "Begin it in another folder, with --from the model that this one wrote",
    );
  }
}

/** A folder with something in it is somebody's. */
async function checkEmpty(output: string): Promise<void> {
  const names = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new InputError(`${output} cannot be written to: ${error.message}.`);
  });
  if (names.length === 0) return;
  const [latest] = await listCheckpoints(output);
  throw new InputError(
    latest
      ? `${output} holds a run already, with ${latest.step} steps: --resume goes on with it. Or name another folder.`
      : `${output} is not empty: name another folder for the model.`,
  );
}
