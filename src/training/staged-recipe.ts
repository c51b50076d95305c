import { z } from "zod";
import { InputError } from "../tensor/index.ts";
import { trainLimits } from "./limits.ts";
import { checked, checkRecipe, type RecipeKind, text, whole } from "./recipe.ts";
import { captionerRecipe } from "./recipes/captioner.ts";
import { clipRecipe } from "./recipes/clip.ts";
import { diffusionRecipe } from "./recipes/diffusion.ts";
import { gpt2Recipe } from "./recipes/gpt2.ts";
import { vaeRecipe } from "./recipes/vae.ts";

const kinds = {
  vae: vaeRecipe,
  clip: clipRecipe,
  diffusion: diffusionRecipe,
  gpt2: gpt2Recipe,
  captioner: captionerRecipe,
} as const satisfies Record<string, RecipeKind>;

/** What a stage may teach. */
export type StageKind = keyof typeof kinds;

const name = z.string().regex(/^[a-z][a-z0-9-]*$/, "It is a word of small letters, digits and hyphens");

const schema = z.strictObject({
  $schema: z.string().optional().describe("Where the schema of this file lies, for editors"),
  learns: z.literal("all").describe("That there are several stages"),
  seed: whole(trainLimits.seed).optional().describe("Of the stages that have none of their own"),
  stages: z
    .record(name, z.looseObject({ learns: z.enum(Object.keys(kinds) as [StageKind, ...StageKind[]]) }))
    .describe("Recipes by their names, in their order; @name in one of them is what a stage before it wrote"),
  model: text.describe("The stage whose folder becomes the model"),
  beside: z.record(name, text).optional().describe("Folders in the model, and the stages that they are of"),
});

/** Several recipes, of which later ones begin with what earlier ones wrote. */
export type StagedRecipe = z.infer<typeof schema>;

/** What stands for a stage's folder in a recipe: "@vae". */
export const REFERENCE = /^@(.+)$/;

/**
 * Checks what a file of several stages holds, each of them as a recipe of its own.
 *
 * @throws InputError naming the file, the key and what is wrong with it
 */
export function checkStaged(recipe: unknown, file: string): StagedRecipe {
  const staged = checked(schema, recipe, file);
  const before: string[] = [];
  const known = (stage: string, where: string): void => {
    if (before.includes(stage)) return;
    throw new InputError(
      `${file}: ${where}: there is no stage "${stage}" before it, but ${before.join(", ") || "none"}.`,
    );
  };
  for (const [stage, own] of Object.entries(staged.stages)) {
    checkRecipe(own, `${file}, stage ${stage}`, kinds[own.learns]);
    for (const value of Object.values({ ...own, ...(own["model"] as object | undefined) })) {
      const [, other] = typeof value === "string" ? (REFERENCE.exec(value) ?? []) : [];
      if (other !== undefined) known(other, `"stages.${stage}"`);
    }
    before.push(stage);
  }
  known(staged.model, '"model"');
  for (const [folder, stage] of Object.entries(staged.beside ?? {})) known(stage, `"beside.${folder}"`);
  return staged;
}
