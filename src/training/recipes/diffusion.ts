import { z } from "zod";
import { trainLimits } from "../limits.ts";
import {
  commonDefaults,
  commonFixed,
  commonKeys,
  json,
  pictureKeys,
  processes,
  type RecipeKind,
  real,
  samplesEvery,
  text,
} from "../recipe.ts";

const model = z.strictObject({
  unet: json.describe("config.json of a UNet2DConditionModel"),
  textEncoder: json.describe("config.json of a CLIPTextModel"),
  tokenizer: text.describe("Folder of a tokenizer, or a model whose tokenizer is taken"),
  tokens: z.int().min(4).max(1024).optional().describe("Ids in a row of it, where fewer than its own 77 do"),
  vae: text.optional().describe("A model whose VAE is taken, a folder or file; without one pixels are learnt"),
  scheduler: json.describe("scheduler_config.json: the noise levels and what is predicted"),
  defaults: json.optional().describe("inkling.json: steps, guidance, sampler that suit the model"),
});

/** How a diffusion model learns. */
export const diffusionRecipe = {
  name: "diffusion",
  example: "inkdrop-256",
  schema: z.strictObject({
    ...commonKeys,
    ...pictureKeys,
    model: model.optional().describe("A model that begins with fresh weights"),
    captionDropout: real(trainLimits.captionDropout).optional().describe("Share of pictures learnt without caption"),
    snrGamma: real(trainLimits.snrGamma).optional().describe("Min-SNR weighting; 0 is none"),
    trainTextEncoder: z.boolean().optional().describe("Whether the text encoder learns too"),
    processes,
    samplesEvery,
    samples: z.array(z.string()).min(1).max(100).optional().describe("Prompts of the sample pictures"),
  }),
  defaults: { ...commonDefaults, captionDropout: 0.1, snrGamma: 0, flip: false, trainTextEncoder: false },
  fixed: [...commonFixed, "model", "size", "flip", "captionDropout", "snrGamma", "trainTextEncoder"],
} as const satisfies RecipeKind;
