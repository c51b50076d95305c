import { z } from "zod";
import { distances, trainLimits } from "../limits.ts";
import {
  commonDefaults,
  commonFixed,
  commonKeys,
  json,
  pictureKeys,
  type RecipeKind,
  real,
  samplesEvery,
  whole,
} from "../recipe.ts";

const model = z.strictObject({ vae: json.describe("config.json of an AutoencoderKL") });

/** How an autoencoder learns. */
export const vaeRecipe = {
  name: "vae",
  example: "inkdrop-256",
  schema: z.strictObject({
    ...commonKeys,
    ...pictureKeys,
    model: model.optional().describe("A VAE that begins with fresh weights"),
    distance: z.enum(distances).optional().describe("How far a pixel is from another: l1, or l2, its square"),
    klWeight: real(trainLimits.klWeight).optional().describe("Of the latents' divergence, as LDM counts"),
    discriminator: real(trainLimits.discriminator).optional().describe("What its opinion counts; 0 is none"),
    discriminatorStart: whole(trainLimits.warmUp).optional().describe("Steps before it takes part"),
    samplesEvery,
  }),
  defaults: { ...commonDefaults, flip: false, distance: "l1", klWeight: 1e-6, discriminator: 0, discriminatorStart: 0 },
  fixed: [...commonFixed, "model", "size", "flip", "distance", "klWeight", "discriminator", "discriminatorStart"],
} as const satisfies RecipeKind;
