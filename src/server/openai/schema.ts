import { z } from "@hono/zod-openapi";
import { limits } from "../../pipelines/limits.ts";
import { MAX_PROMPT } from "../schema/draw.ts";

/** The most pictures of a request, as with OpenAI. */
const MAX_COUNT = 10;

const words = z.string().max(MAX_PROMPT);
/** Fields of a form are texts; those of JSON are what they are. */
const number = (coerced: boolean) => (coerced ? z.coerce.number() : z.number());
const flag = (coerced: boolean) =>
  coerced ? z.enum(["true", "false"]).transform((value) => value === "true") : z.boolean();

/** What all requests for pictures share. */
const common = (form: boolean) => ({
  model: z.string().min(1).max(200).nullish().describe("One of /v1/models; default: the server's first"),
  n: number(form).int().min(1).max(MAX_COUNT).nullish(),
  size: z
    .string()
    .regex(/^(auto|[1-9]\d{0,4}x[1-9]\d{0,4})$/, 'it has to be "auto" or WIDTHxHEIGHT, such as 512x512')
    .nullish(),
  response_format: z.enum(["url", "b64_json"]).nullish().describe("Where it is absent pictures are told both ways"),
  output_format: z.enum(["png", "jpeg", "webp"]).nullish(),
  output_compression: number(form).int().min(0).max(100).nullish().describe("The quality of JPEG and WebP"),
  user: z.string().max(1000).nullish().describe("Not looked at"),
  seed: number(form).int().min(limits.seed[0]).max(limits.seed[1]).nullish().describe("Not of OpenAI"),
});

/** What requests with words share. */
const worded = (form: boolean) => ({
  prompt: words.min(1),
  quality: z
    .enum(["auto", "standard", "low", "medium", "high", "hd"])
    .nullish()
    .describe("low: the goal fast; high and hd: the goal quality"),
  background: z.enum(["auto", "opaque", "transparent"]).nullish().describe("Pictures are opaque here"),
  moderation: z.enum(["auto", "low"]).nullish().describe("There is none here"),
  style: z.enum(["vivid", "natural"]).nullish().describe("Refused, as by OpenAI's models but one"),
  stream: flag(form).nullish(),
  partial_images: number(form).int().min(0).max(3).nullish(),
  negative_prompt: words.nullish().describe("Not of OpenAI"),
  steps: number(form).int().min(limits.steps[0]).max(limits.steps[1]).nullish().describe("Not of OpenAI"),
  guidance: number(form).min(limits.guidance[0]).max(limits.guidance[1]).nullish().describe("Not of OpenAI"),
});

/** A field of a form with a file in it; an address is none. */
const file = z
  .any()
  .refine((value) => value instanceof File, "it has to be a file; addresses and texts are not looked at")
  .transform((value) => value as File)
  .openapi({ type: "string", format: "binary" });
const strength = z.coerce.number().min(limits.strength[0]).max(limits.strength[1]).nullish().describe("Not of OpenAI");

export const generation = z.strictObject({ ...common(false), ...worded(false) }).meta({ id: "ImageGeneration" });
export const edit = z
  .strictObject({
    ...common(true),
    ...worded(true),
    image: file.optional(),
    "image[]": z.array(file).optional(),
    mask: file.optional().describe("Drawn anew where it is transparent"),
    input_fidelity: z.enum(["low", "high"]).nullish().describe("high is refused: say strength"),
    strength,
  })
  .meta({ id: "ImageEdit" });
export const variation = z.strictObject({ ...common(true), image: file, strength }).meta({ id: "ImageVariation" });

export type Generation = z.infer<typeof generation>;
export type Edit = z.infer<typeof edit>;
export type Variation = z.infer<typeof variation>;

const usage = z.object({
  input_tokens: z.int(),
  input_tokens_details: z.object({ text_tokens: z.int(), image_tokens: z.int() }),
  output_tokens: z.int(),
  total_tokens: z.int(),
});
export type Usage = z.infer<typeof usage>;

export const imagesResponse = z
  .object({
    created: z.int(),
    background: z.literal("opaque"),
    output_format: z.enum(["png", "jpeg", "webp"]),
    size: z.string(),
    data: z.array(z.object({ b64_json: z.string().optional(), url: z.string().optional() })),
    usage,
  })
  .meta({ id: "ImagesResponse" });
export type ImagesResponse = z.infer<typeof imagesResponse>;

export const model = z
  .object({ id: z.string(), object: z.literal("model"), created: z.int(), owned_by: z.string() })
  .meta({ id: "OpenAiModel" });
export const modelList = z.object({ object: z.literal("list"), data: z.array(model) }).meta({ id: "OpenAiModelList" });
