import { z } from "zod";
import { InputError } from "../tensor/index.ts";
import { drawingKinds } from "./data/drawings/drawings.ts";
import { forms } from "./data/shape-forms.ts";
import { shapeBackgrounds, shapeColors } from "./data/shapes.ts";
import { learningRateSchedules, trainLimits, trainPrecisions } from "./limits.ts";

export const whole = ([low, high]: readonly [number, number]) => z.int().min(low).max(high);
export const real = ([low, high]: readonly [number, number]) => z.number().min(low).max(high);
export const text = z.string().min(1);
export const json = z.record(z.string(), z.unknown());

/** Some of the names of a table. */
const some = <Name extends string>(table: Readonly<Record<Name, unknown>>) =>
  z.array(z.enum(Object.keys(table) as [Name, ...Name[]])).min(1);

const shapes = z.strictObject({
  shapes: z.strictObject({
    count: z.int().min(1).optional().describe("How many different drawings"),
    seed: whole(trainLimits.seed).optional().describe("Of the drawings"),
    colors: some(shapeColors).optional().describe("Which colours; all where it is left out"),
    shapes: some(forms).optional().describe("Which shapes"),
    backgrounds: some(shapeBackgrounds).optional().describe("Which backgrounds"),
  }),
});

const drawings = z.strictObject({
  drawings: z.strictObject({
    count: z.int().min(1).optional().describe("How many different drawings"),
    seed: whole(trainLimits.seed).optional().describe("Of the drawings"),
    kinds: z.array(z.enum(drawingKinds)).min(1).optional().describe("Which kinds; the mix of all where it is left out"),
  }),
});

/** Keys of every recipe: what a model learns from, and how. Each is optional in a file: options may say it. */
export const commonKeys = {
  $schema: z.string().optional().describe("Where the schema of this file lies, for editors"),
  learns: z.string().optional().describe("What learns by it: the word after `inkling train`, or tune"),
  from: text.optional().describe("The model to begin with: a name, folder or file"),
  data: z
    .union([text, shapes, drawings])
    .optional()
    .describe("A folder of pictures with captions, a .tar of them, or what is drawn here: shapes, drawings"),
  output: text.optional().describe("The folder that becomes the model"),
  steps: whole(trainLimits.steps).optional().describe("Steps of the optimizer"),
  batch: whole(trainLimits.batch).optional().describe("Examples that are computed at once"),
  accumulate: whole(trainLimits.accumulate).optional().describe("Batches that make a step"),
  gradientCheckpointing: z.boolean().optional().describe("Compute blocks twice rather than keep what they gave"),
  precision: z.enum(trainPrecisions).optional().describe("What products are computed in"),
  learningRate: real(trainLimits.learningRate).optional().describe("The highest rate"),
  schedule: z.enum(learningRateSchedules).optional().describe("How the rate goes on after the warm-up"),
  warmUp: whole(trainLimits.warmUp).optional().describe("Steps over which the rate rises from 0"),
  weightDecay: real(trainLimits.weightDecay).optional().describe("Of AdamW"),
  beta2: real(trainLimits.beta2).optional().describe("How much AdamW's second moment keeps of itself; 0.999"),
  maxNorm: real(trainLimits.maxNorm).optional().describe("The gradient is no longer than this"),
  ema: real(trainLimits.ema).optional().describe("Decay of the average of the weights that is written; 0 is none"),
  seed: whole(trainLimits.seed).optional().describe("Fixes everything random"),
  saveEvery: whole(trainLimits.every).optional().describe("Steps between checkpoints"),
  keep: whole(trainLimits.keep).optional().describe("Checkpoints that stay"),
};

/** Keys of the recipes of what learns pictures of one size. */
export const pictureKeys = {
  size: z
    .union([whole(trainLimits.side), z.tuple([whole(trainLimits.side), whole(trainLimits.side)])])
    .optional()
    .describe("Pixels of a side, or width and height"),
  flip: z.boolean().optional().describe("Mirror half of the pictures"),
};

/** The key of the recipes of what can show what it has learnt. */
export const samplesEvery = whole(trainLimits.every).optional().describe("Steps between two samples");

/**
 * The key of the recipes whose loss is a mean over examples, none of which knows of the others: what several processes learn each
 * from its share is what one learns from all.
 */
export const processes = whole(trainLimits.processes).optional().describe("Processes that share every batch");

/** What holds where neither a file nor an option says otherwise. */
export const commonDefaults = {
  batch: 4,
  accumulate: 1,
  learningRate: 1e-4,
  schedule: "constant",
  warmUp: 0,
  weightDecay: 1e-2,
  maxNorm: 1,
  ema: 0.999,
  gradientCheckpointing: false,
  precision: "float32",
  saveEvery: 500,
  keep: 2,
} as const satisfies Partial<CommonRecipe>;

/** What decides on the very steps of a run: who goes on with it cannot change it and call it the same run. */
export const commonFixed = ["from", "data", "batch", "accumulate", "seed"] as const;

/** What every recipe says. */
export type CommonRecipe = z.infer<z.ZodObject<typeof commonKeys>> & { readonly processes?: number };

/** The recipes of one kind of model: `recipes/<kind>.ts`. */
export interface RecipeKind {
  /** The word after `inkling train`; of what `inkling tune` teaches, that command. */
  readonly name: string;
  /** A model that one may begin with. */
  readonly example: string;
  /** {@link commonKeys} and its own, strict. */
  readonly schema: z.ZodObject<typeof commonKeys>;
  readonly defaults: Required<Pick<CommonRecipe, keyof typeof commonDefaults>> & Readonly<Record<string, unknown>>;
  /** See {@link commonFixed}. */
  readonly fixed: readonly string[];
}

/** What a recipe of a kind may say. */
export type RecipeOf<Kind extends RecipeKind> = z.infer<Kind["schema"]>;

/** What every recipe says that says all it has to. */
export type WholeCommonRecipe = CommonRecipe &
  Required<Pick<CommonRecipe, "data" | "output" | "steps" | "seed" | keyof typeof commonDefaults>>;

/** A recipe of a kind that says all it has to. */
export type WholeRecipe<Kind extends RecipeKind> = WholeCommonRecipe &
  RecipeOf<Kind> &
  Required<Pick<RecipeOf<Kind>, keyof Kind["defaults"] & keyof RecipeOf<Kind>>>;

/**
 * Checks what a recipe file holds.
 *
 * @throws InputError naming the file, the key and what is wrong with it
 */
export function checkRecipe<Kind extends RecipeKind>(recipe: unknown, file: string, kind: Kind): RecipeOf<Kind> {
  const { learns } = (recipe ?? {}) as CommonRecipe;
  if (learns !== undefined && learns !== kind.name) {
    const [its, asked] = [learns, kind.name].map(
      (name) => `\`inkling ${name.startsWith("tune") ? "" : "train "}${name}\``,
    );
    throw new InputError(`${file} is a recipe of ${its}, not of ${asked}.`);
  }
  return checked(kind.schema, recipe, file) as RecipeOf<Kind>;
}

/**
 * What a file holds, by a schema.
 *
 * @throws InputError naming the file, the key and what is wrong with it
 */
export function checked<Schema extends z.ZodObject>(schema: Schema, recipe: unknown, file: string): z.infer<Schema> {
  const result = schema.safeParse(recipe);
  if (result.success) return result.data;
  const { path, message, ...issue } = result.error.issues[0]!;
  const at = path.length > 0 ? `"${path.join(".")}": ` : "";
  const unknown = issue.code === "unrecognized_keys" ? `there is no key "${issue.keys[0]}"` : undefined;
  const keys = keysAt(schema, path).filter((key) => key !== "$schema" && key !== "learns");
  throw new InputError(`${file}: ${at}${unknown ? `${unknown}: ${keys.join(", ")}` : message}.`);
}

/** The keys of the object at a path of a schema. */
function keysAt(schema: z.ZodType, [first, ...rest]: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodOptional)
    return keysAt(schema.unwrap() as z.ZodType, first === undefined ? [] : [first, ...rest]);
  if (!(schema instanceof z.ZodObject)) return [];
  return first === undefined ? Object.keys(schema.shape) : keysAt(schema.shape[first as string] as z.ZodType, rest);
}
