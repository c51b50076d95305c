import { z } from "zod";
import { adapterFormats } from "../../configs/index.ts";
import { loraTargets, trainLimits } from "../limits.ts";
import {
  commonDefaults,
  commonFixed,
  commonKeys,
  pictureKeys,
  type RecipeKind,
  real,
  samplesEvery,
  text,
  whole,
} from "../recipe.ts";

/** Keys of whatever is tuned. */
const tuneKeys = {
  ...commonKeys,
  ...pictureKeys,
  name: text.optional().describe("What the pictures show, as prompts will call it"),
  template: text.optional().describe("What is said of a picture that has no caption; {name} is the name"),
  captionDropout: real(trainLimits.captionDropout).optional().describe("Share of pictures learnt without caption"),
  snrGamma: real(trainLimits.snrGamma).optional().describe("Min-SNR weighting; 0 is none"),
  samplesEvery,
  samples: z.array(z.string()).min(1).max(100).optional().describe("Prompts of the sample pictures"),
};

/** The key of what is written beside a model. */
const format = z.enum(adapterFormats).optional().describe("The layout of the file");

/** Keys of what may change all that a model draws. */
const priorKeys = {
  prior: text.optional().describe("What else the model is to go on drawing as it did, as a prompt"),
  priorPictures: whole(trainLimits.priorPictures).optional().describe("How many of that it draws first, to learn from"),
  priorWeight: real(trainLimits.priorWeight).optional().describe("What these count beside one's own"),
};

/** So few pictures are gone through often: an average of the weights would trail behind. */
const tuneDefaults = {
  ...commonDefaults,
  ema: 0,
  captionDropout: 0,
  snrGamma: 0,
  flip: false,
  template: "a photo of {name}",
} as const;

const priorDefaults = { priorPictures: 100, priorWeight: 1 } as const;

const tuneFixed = [...commonFixed, "name", "template", "size", "flip", "captionDropout", "snrGamma"] as const;
const priorFixed = ["prior", "priorPictures", "priorWeight"] as const;

/** How a LoRA learns. */
export const loraRecipe = {
  name: "tune",
  example: "inkdrop-256",
  schema: z.strictObject({
    ...tuneKeys,
    ...priorKeys,
    format,
    rank: whole(trainLimits.rank).optional().describe("Of the matrices"),
    alpha: real(trainLimits.alpha).optional().describe("How strong it is: alpha / rank; the rank where it is left out"),
    targets: z.enum(loraTargets).optional().describe("Which layers it stands beside"),
    trainTextEncoder: z.boolean().optional().describe("Whether the text encoder gets one too"),
  }),
  defaults: {
    ...tuneDefaults,
    ...priorDefaults,
    format: "diffusers",
    steps: 500,
    rank: 8,
    targets: "attention",
    trainTextEncoder: false,
  },
  fixed: [...tuneFixed, ...priorFixed, "rank", "alpha", "targets", "trainTextEncoder"],
} as const satisfies RecipeKind;

/** How a new word learns, by textual inversion. */
export const inversionRecipe = {
  name: "tune --textual-inversion",
  example: "inkdrop-256",
  schema: z.strictObject({
    ...tuneKeys,
    format,
    vectors: whole(trainLimits.vectors).optional().describe("How many stand for the word"),
    init: text.optional().describe("Words whose vectors it begins with"),
  }),
  defaults: { ...tuneDefaults, format: "diffusers", steps: 1000, learningRate: 5e-3, vectors: 1, init: "object" },
  fixed: [...tuneFixed, "vectors", "init"],
} as const satisfies RecipeKind;

/** How all weights of a model learn, which is written anew. The rate is that of diffusers' text_to_image guide. */
export const fullRecipe = {
  name: "tune --full",
  example: "inkdrop-256",
  schema: z.strictObject({
    ...tuneKeys,
    ...priorKeys,
    trainTextEncoder: z.boolean().optional().describe("Whether the text encoder learns too"),
  }),
  defaults: { ...tuneDefaults, ...priorDefaults, steps: 500, learningRate: 1e-5, trainTextEncoder: false },
  fixed: [...tuneFixed, ...priorFixed, "trainTextEncoder"],
} as const satisfies RecipeKind;
