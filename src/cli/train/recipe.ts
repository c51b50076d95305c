import { readdir } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { defined, InputError, randomSeed } from "../../tensor/index.ts";
import {
  type CommonRecipe,
  checkRecipe,
  type LearningRateSchedule,
  listCheckpoints,
  type RecipeKind,
  readCheckpoint,
  type TrainPrecision,
  type WholeCommonRecipe,
  type WholeRecipe,
} from "../../training/index.ts";
import { loadFile } from "../config.ts";
import { UsageError } from "../errors.ts";

/** What of any recipe options say. */
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
  readonly gradientCheckpointing?: boolean;
  readonly precision?: TrainPrecision;
  readonly processes?: number;
  readonly lr?: number;
  readonly schedule?: LearningRateSchedule;
  readonly warmUp?: number;
  readonly weightDecay?: number;
  readonly maxNorm?: number;
  readonly ema?: number;
  readonly seed?: number;
  readonly saveEvery?: number;
  readonly keep?: number;
}

/** Of a recipe for pictures of one size. */
export interface PictureFlags {
  readonly size?: { readonly width: number; readonly height: number };
  readonly flip?: boolean;
}

export interface Wanted<Kind extends RecipeKind> extends WantedOfAny {
  readonly recipe: WholeRecipe<Kind>;
}

export interface WantedOfAny {
  readonly recipe: WholeCommonRecipe;
  /** The file that describes the model, for messages. */
  readonly file: string;
  /** The checkpoint to go on from. */
  readonly resume?: string;
}

/** A recipe of any kind. */
type AnyRecipe = CommonRecipe & { readonly model?: object };

/**
 * What is to be learnt: the options, else the recipe file; of a run that goes on, else what that was begun with.
 *
 * @param options of {@link RecipeFlags}, and those of the kind, by the names of its keys
 * @throws UsageError where something is missing, or would make another run of one that goes on; InputError where the file or the
 *   checkpoint is at fault, or the folder holds something else
 */
export async function wantedRecipe<Kind extends RecipeKind>(
  kind: Kind,
  { config, resume: asked, ...options }: RecipeFlags,
): Promise<Wanted<Kind>> {
  const file = config === undefined ? {} : placed(checkRecipe(await loadFile(config), config, kind), config);
  const asGiven: AnyRecipe = { ...file, ...defined(ofFlags(kind, options)) };
  const resume = await checkpointOf(asked, asGiven.output);
  const begun = resume === undefined ? undefined : await readCheckpoint(resume);
  const before: AnyRecipe | undefined = begun && checkRecipe(begun.settings, resume!, kind);
  const given = before ? shared(asGiven, before, resume!) : asGiven;
  if (before) checkSame(kind, given, before, resume!);
  const recipe: AnyRecipe = { ...kind.defaults, seed: randomSeed(), ...before, ...given, learns: kind.name };
  const { data, output, steps } = recipe;
  if (output === undefined) throw new UsageError("where the model goes is not said: add --out my-model");
  if (data === undefined) throw new UsageError("what to learn from is not said: add --data my-pictures");
  if (steps === undefined) throw new UsageError("how long to learn is not said: add --steps 1000");
  if (recipe.from !== undefined && recipe.model !== undefined) {
    throw new UsageError("there are two models to begin with: --from and that of the recipe. Take one of them");
  }
  if (recipe.from === undefined && recipe.model === undefined) {
    const described = "model" in kind.schema.shape ? ", or --config with a recipe that describes one" : "";
    throw new UsageError(`the model to begin with is not said: add --from ${kind.example}${described}`);
  }
  if (resume === undefined) await checkEmpty(output);
  return { recipe: recipe as WholeRecipe<Kind>, file: config ?? resume ?? "The recipe", resume };
}

/** Options by the keys of a recipe; what is none of a recipe's is left out. */
function ofFlags(kind: RecipeKind, options: Omit<RecipeFlags, "config" | "resume">): AnyRecipe {
  const {
    out: output,
    lr: learningRate,
    size,
    sample: samples,
    ...flags
  } = options as typeof options & PictureFlags & { readonly sample?: readonly string[] };
  const all = { ...flags, output, learningRate, size: size && [size.width, size.height], samples };
  return Object.fromEntries(Object.entries(all).filter(([key]) => key in kind.schema.shape));
}

/** Paths in a recipe that begin with a dot are seen from its folder. */
export function placed<R extends object>(recipe: R, file: string): R {
  return withPlaces(recipe, (place) => (/^\.\.?[/\\]/.test(place) ? resolve(dirname(file), place) : place));
}

/** A recipe, with `placeOf` what stands in it for a model, a folder or a file. */
export function withPlaces<R extends object>(recipe: R, placeOf: (place: string) => string): R {
  const entries = Object.entries(recipe).map(([key, value]): [string, unknown] => {
    if (key === "model") return [key, withPlaces(value as object, placeOf)];
    return [key, PATHS.includes(key) && typeof value === "string" ? placeOf(value) : value];
  });
  return Object.fromEntries(entries) as R;
}

/** Keys of a recipe, and of its model, that may be paths. */
const PATHS = ["from", "data", "output", "clip", "tokenizer", "vae"];

/** The checkpoint that `--resume` means. */
async function checkpointOf(asked: RecipeFlags["resume"], output: string | undefined): Promise<string | undefined> {
  if (asked === undefined) return undefined;
  if (asked !== true) return asked;
  if (output === undefined) throw new UsageError("--resume goes on with the run in --out: say which folder that is");
  const [latest] = await listCheckpoints(output);
  if (latest) return latest.path;
  throw new InputError(`${output} holds no checkpoint to go on from. Leave --resume away to begin there.`);
}

/** With another number of processes each of them takes another share of the same batch. */
function shared(given: AnyRecipe, before: AnyRecipe, resume: string): AnyRecipe {
  const { processes, batch } = given;
  if (processes === undefined || batch !== undefined) return given;
  const all = wholeBatch(before)!;
  if (all % processes === 0) return { ...given, batch: all / processes };
  throw new UsageError(
    `${resume} was begun with ${all} examples a batch, which ${processes} processes cannot share evenly`,
  );
}

/** The examples of a batch over all processes, where anything is said of them. */
function wholeBatch({ batch, processes }: AnyRecipe): number | undefined {
  return batch && batch * (processes ?? 1);
}

function checkSame({ fixed }: RecipeKind, given: AnyRecipe, before: AnyRecipe, resume: string): void {
  const compared = (recipe: AnyRecipe): AnyRecipe => ({
    ...recipe,
    batch: wholeBatch({ ...recipe, processes: recipe.processes ?? before.processes }),
  });
  for (const key of fixed) {
    const [now, then] = [given, before].map((recipe) => JSON.stringify(compared(recipe)[key as keyof AnyRecipe]));
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
