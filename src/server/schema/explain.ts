import { z } from "zod";
import { drawRequest, pictureSource } from "./draw.ts";

/** Longer ones explain nothing. */
const words = z.string().max(1000);
const model = z.string().min(1).max(200).optional();

/** A latent of SD 2.1 at 1024² is 256 KiB; more is nobody's. */
const MOST_NUMBERS = 2 ** 22;

/** Numbers of a tensor, as float32 in little-endian order. */
export const numbers = z
  .object({ shape: z.array(z.int().min(1)).max(4), data: z.base64().max(MOST_NUMBERS) })
  .meta({ id: "Numbers" });
export type Numbers = z.infer<typeof numbers>;

/** GET /api/explain/model?model= */
export const modelQuery = z.object({ model });

const shape = z.array(z.int());

/** A model, as it is drawn: its U-Net's parts in the order in which they are computed, and the noise that it learnt to undo. */
export const explainedModel = z
  .object({
    model: z.string(),
    width: z.int().describe("Pixels of the pictures that it was made for"),
    height: z.int(),
    scale: z.int().describe("Pixels of a place of the latent, along a side"),
    latent: shape.describe("[channels, height, width] of what the U-Net sees"),
    words: shape.describe("[tokens of a row, numbers that stand for each]"),
    weights: z.int().describe("Of the U-Net"),
    parts: z.array(
      z.object({
        path: z.string(),
        kind: z.enum(["convolution", "resnet", "attention", "down", "up"]),
        side: z.enum(["down", "middle", "up"]),
        level: z.int(),
        shape,
        weights: z.int(),
      }),
    ),
    text: z
      .object({
        tokens: z.int().describe("Of a row"),
        width: z.int().describe("Numbers that stand for each"),
        heads: z.int(),
        inner: z.int().describe("Numbers in the middle of a layer's second half"),
        weights: z.int(),
        parts: z.array(z.object({ path: z.string(), kind: z.enum(["table", "layer", "norm"]), weights: z.int() })),
      })
      .describe("The text transformer"),
    alpha: numbers.describe("√ᾱ at each timestep: what the picture is multiplied by"),
    sigma: numbers.describe("√(1 − ᾱ): what the noise is multiplied by"),
    previewFactors: z
      .array(z.array(z.number()))
      .describe("Red, green and blue of a place as a linear function of its channels; the last row is added"),
  })
  .meta({ id: "ExplainedModel" });
export type ExplainedModel = z.infer<typeof explainedModel>;

/** POST /api/explain/run: the body of a job, one picture of it. */
export const runRequest = drawRequest
  .omit({ count: true, bestOf: true, noise: true, mask: true, maskBlur: true, keepUnmasked: true, tiling: true })
  .extend({ prompt: words })
  .meta({ id: "ExplainRunRequest" });
export type RunRequest = z.infer<typeof runRequest>;

const groupMaps = z.object({
  name: z.string().describe('The places of these layers: "32×32"'),
  width: z.int(),
  height: z.int(),
  layers: z.int().describe("How many there are"),
  words: z.array(
    z.object({
      most: z.number().describe("What 255 stands for: a share of all that a place looks at"),
      data: z.base64().describe("A byte a place"),
    }),
  ),
});

/** What the answer tells while it is drawn, as server-sent events. */
export const runLine = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("words"), words: z.array(z.string()) }),
    z.object({
      type: z.literal("step"),
      call: z.int(),
      calls: z.int(),
      timestep: z.number(),
      sigma: z.number(),
      latents: numbers.describe("After the step"),
      x0: numbers.describe("What the model believes the clean latents to be"),
      prediction: numbers.describe("After guidance, in the model's own terms"),
      cond: numbers.optional().describe("Told of the prompt; absent where the prompt is ignored"),
      uncond: numbers.optional().describe("Told of the negative prompt; absent where nothing is compared with it"),
      maps: z.array(groupMaps).describe("Where the layers of each size look for each word, the largest first"),
    }),
    z.object({ type: z.literal("image"), picture: z.string().describe("A PNG, as a data URL"), seed: z.int() }),
    z.object({ type: z.literal("failed"), message: z.string() }),
  ])
  .meta({ id: "ExplainRunLine" });
export type RunLine = z.infer<typeof runLine>;

/** GET /api/explain/drawings/:index: a portrait of the data generator that training held out. */
export const explainedDrawing = z
  .object({ picture: z.string().describe("A PNG, as a data URL"), caption: z.string() })
  .meta({ id: "ExplainedDrawing" });
export type ExplainedDrawing = z.infer<typeof explainedDrawing>;

/** POST /api/explain/encode */
export const encodeRequest = z
  .strictObject({ picture: pictureSource, seed: z.int().optional().describe("Of the noise; default 0"), model })
  .meta({ id: "EncodeRequest" });
export type EncodeRequest = z.infer<typeof encodeRequest>;

export const encoded = z
  .object({
    picture: z.string().describe("As it was encoded: a PNG as a data URL"),
    latents: numbers,
    noise: numbers.describe("Of the same shape, standard normal"),
  })
  .meta({ id: "Encoded" });
export type Encoded = z.infer<typeof encoded>;

/** POST /api/explain/decode: answers with a PNG. */
export const decodeRequest = z.strictObject({ latents: numbers, model }).meta({ id: "DecodeRequest" });
export type DecodeRequest = z.infer<typeof decodeRequest>;

/** POST /api/explain/back: noisy latents, and how they are taken back. Answers with a run's steps. */
export const backRequest = z
  .strictObject({
    latents: numbers,
    timestep: z.int().min(0).describe("How noisy they are"),
    prompt: words.describe("What they show, as far as that is known"),
    steps: z.int().min(1).max(100).optional().describe("At most; default 20"),
    model,
  })
  .meta({ id: "BackRequest" });
export type BackRequest = z.infer<typeof backRequest>;

/** POST /api/explain/words */
export const wordsRequest = z
  .strictObject({ text: words, other: words.optional().describe("To compare it with"), model })
  .meta({ id: "WordsRequest" });
export type WordsRequest = z.infer<typeof wordsRequest>;

export const explainedWords = z
  .object({
    room: z.int().describe("Tokens that fit, start and end included"),
    tokens: z.array(
      z.object({
        id: z.int(),
        token: z.string().describe('As the vocabulary writes it: "eyes</w>"'),
        nearest: z.array(z.object({ text: z.string(), cosine: z.number() })),
      }),
    ),
    likeness: z
      .object({
        cosine: z.number().describe("Of the two texts, as the encoder sums them up"),
        tokens: z.array(z.array(z.string())),
        matrix: z.array(z.array(z.number())).describe("Of each token of the first with each of the other"),
      })
      .optional(),
  })
  .meta({ id: "ExplainedWords" });
export type ExplainedWords = z.infer<typeof explainedWords>;

/** POST /api/explain/next */
export const nextRequest = z.strictObject({ text: words }).meta({ id: "NextRequest" });
export type NextRequest = z.infer<typeof nextRequest>;

export const nextWords = z
  .object({
    model: z.string(),
    tokens: z.array(z.string()).describe("The likeliest ones; a space in front begins a word"),
    logits: numbers.describe("Of these first, then of all others: softmax(logits / temperature)"),
  })
  .meta({ id: "NextWords" });
export type NextWords = z.infer<typeof nextWords>;
