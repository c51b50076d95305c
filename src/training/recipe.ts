import { z } from "zod";
import { InputError } from "../tensor/index.ts";
import { forms } from "./data/shape-forms.ts";
import { shapeBackgrounds, shapeColors } from "./data/shapes.ts";
import { learningRateSchedules, trainLimits } from "./limits.ts";

const whole = ([low, high]: readonly [number, number]) => z.int().min(low).max(high);
const real = ([low, high]: readonly [number, number]) => z.number().min(low).max(high);
const text = z.string().min(1);
const json = z.record(z.string(), z.unknown());
const side = whole(trainLimits.side);

const model = z.strictObject({
  unet: json.describe("config.json of a UNet2DConditionModel"),
  textEncoder: json.describe("config.json of a CLIPTextModel"),
  tokenizer: text.describe("Folder of a tokenizer, or a model whose tokenizer is taken"),
  tokens: z.int().min(4).max(1024).optional().describe("Ids in a row of it, where fewer than its own 77 do"),
  vae: text.optional().describe("A model whose VAE is taken, a folder or file; without one pixels are learnt"),
  scheduler: json.describe("scheduler_config.json: the noise levels and what is predicted"),
  defaults: json.optional().describe("inkling.json: steps, guidance, sampler that suit the model"),
});

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

/** What a diffusion model learns from, and how. Every key is optional in a file: options may say it. */
export const recipeSchema = z.strictObject({
  $schema: z.string().optional().describe("Where the schema of this file lies, for editors"),
  from: text.optional().describe("The model to begin with: as --model takes it"),
  model: model.optional().describe("A model that begins with fresh weights"),
  data: z
    .union([text, shapes])
    .optional()
    .describe("A folder of pictures with captions, a .tar of them, or drawn shapes"),
  output: text.optional().describe("The folder that becomes the model"),
  steps: whole(trainLimits.steps).optional().describe("Steps of the optimizer"),
  batch: whole(trainLimits.batch).optional().describe("Pictures that are computed at once"),
  accumulate: whole(trainLimits.accumulate).optional().describe("Batches that make a step"),
  size: z
    .union([side, z.tuple([side, side])])
    .optional()
    .describe("Pixels of a side, or width and height"),
  flip: z.boolean().optional().describe("Mirror half of the pictures"),
  learningRate: real(trainLimits.learningRate).optional().describe("The highest rate"),
  schedule: z.enum(learningRateSchedules).optional().describe("How the rate goes on after the warm-up"),
  warmUp: whole(trainLimits.warmUp).optional().describe("Steps over which the rate rises from 0"),
  weightDecay: real(trainLimits.weightDecay).optional().describe("Of AdamW"),
  maxNorm: real(trainLimits.maxNorm).optional().describe("The gradient is no longer than this"),
  ema: real(trainLimits.ema).optional().describe("Decay of the average of the weights that is written; 0 is none"),
  captionDropout: real(trainLimits.captionDropout).optional().describe("Share of pictures learnt without caption"),
  snrGamma: real(trainLimits.snrGamma).optional().describe("Min-SNR weighting; 0 is none"),
  trainTextEncoder: z.boolean().optional().describe("Whether the text encoder learns too"),
  seed: whole(trainLimits.seed).optional().describe("Fixes everything random"),
  saveEvery: whole(trainLimits.every).optional().describe("Steps between checkpoints"),
  keep: whole(trainLimits.keep).optional().describe("Checkpoints that stay"),
  samplesEvery: whole(trainLimits.every).optional().describe("Steps between sample pictures"),
  samples: z.array(z.string()).min(1).max(100).optional().describe("Prompts of the sample pictures"),
});

/** What a diffusion model learns from, and how. */
export type Recipe = z.infer<typeof recipeSchema>;

/**
 * Checks what a recipe file holds.
 *
 * @throws InputError naming the file, the key and what is wrong with it
 */
export function checkRecipe(recipe: unknown, file: string): Recipe {
  const result = recipeSchema.safeParse(recipe);
  if (result.success) return result.data;
  const { path, message, ...issue } = result.error.issues[0]!;
  const at = path.length > 0 ? `"${path.join(".")}": ` : "";
  const keys = Object.keys(path[0] === "model" ? model.shape : recipeSchema.shape).filter((key) => key !== "$schema");
  const unknown = issue.code === "unrecognized_keys" ? `there is no key "${issue.keys[0]}"` : undefined;
  throw new InputError(`${file}: ${at}${unknown ? `${unknown}: ${keys.join(", ")}` : message}.`);
}

/** What holds where neither a file nor an option says otherwise. */
export const recipeDefaults = {
  batch: 4,
  accumulate: 1,
  learningRate: 1e-4,
  schedule: "constant",
  warmUp: 0,
  weightDecay: 1e-2,
  maxNorm: 1,
  ema: 0.999,
  captionDropout: 0.1,
  snrGamma: 0,
  flip: false,
  trainTextEncoder: false,
  saveEvery: 500,
  keep: 2,
} as const satisfies Partial<Recipe>;

/** What decides on the very steps of a run: who goes on with it cannot change it and call it the same run. */
export const fixedKeys = [
  "from",
  "model",
  "data",
  "batch",
  "accumulate",
  "size",
  "flip",
  "captionDropout",
  "snrGamma",
  "trainTextEncoder",
  "seed",
] as const satisfies readonly (keyof Recipe)[];
