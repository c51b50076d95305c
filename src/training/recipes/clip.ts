import { z } from "zod";
import { commonDefaults, commonFixed, commonKeys, json, type RecipeKind, text } from "../recipe.ts";

const model = z.strictObject({
  clip: json.describe("config.json of a CLIPModel"),
  image: json.optional().describe("preprocessor_config.json; without it CLIP's own at the size of the config"),
  tokenizer: text.describe("Folder of a tokenizer, or a model whose tokenizer is taken"),
});

/** How a CLIP learns. */
export const clipRecipe = {
  name: "clip",
  example: "inkdrop-clip",
  schema: z.strictObject({ ...commonKeys, model: model.optional().describe("A CLIP that begins with fresh weights") }),
  defaults: commonDefaults,
  fixed: [...commonFixed, "model"],
} as const satisfies RecipeKind;
