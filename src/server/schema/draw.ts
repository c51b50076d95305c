import { z } from "zod";
import { goalSettings } from "../../pipelines/config.ts";
import { emphases } from "../../pipelines/emphasis.ts";
import { limits } from "../../pipelines/limits.ts";
import { promptSyntaxes, type ResolvedSettings } from "../../pipelines/settings.ts";

/** The longest prompt that is taken, in characters: some forty rows of tokens. */
export const MAX_PROMPT = 10_000;
/** The most pictures of a job, candidates included. */
export const MAX_PICTURES = 64;

const whole = ([low, high]: readonly [number, number]) => z.int().min(low).max(high);
const real = ([low, high]: readonly [number, number]) => z.number().min(low).max(high);
const words = z.string().max(MAX_PROMPT);
const name = z.string().min(1).max(200);

/** A picture that goes into a job: one of the gallery, a file's own bytes, or bytes that an earlier job brought. */
export const pictureSource = z
  .union([
    z.strictObject({ picture: name.describe("The id of a picture of the gallery") }),
    z.strictObject({ base64: z.base64().min(1).describe("The bytes of a PNG, JPEG or WebP") }),
    z.strictObject({
      upload: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .describe("The SHA-256 of bytes that were sent before"),
    }),
  ])
  .meta({ id: "PictureSource" });

export type PictureSource = z.infer<typeof pictureSource>;

/**
 * What a person may ask for: the product's own settings (`GenerateSettings`), with pictures and adapters named as a network can.
 * Everything but the prompt may be left out.
 */
export const drawRequest = goalSettings
  .extend({
    prompt: words.describe("What the picture should show"),
    negativePrompt: words.optional().describe("What it should not show"),
    model: name.optional().describe("One of /api/models; default: the server's first"),
    goal: name.optional().describe('An intention that stands for settings: one of /api/options; "none" for none'),
    promptSyntax: z.enum(promptSyntaxes).optional().describe("How both prompts are read; default a1111"),
    emphasis: z.enum(emphases).optional().describe("What weights in a prompt do to its embedding"),
    seed: whole(limits.seed).optional().describe("Fixes the picture; picture i has seed + i; default: random"),
    rng: z.enum(["cpu", "cuda"]).optional().describe("Whose random numbers: torch's on the CPU or on CUDA"),
    count: whole([1, MAX_PICTURES]).optional().describe("How many pictures; default 1"),
    bestOf: whole([1, MAX_PICTURES]).optional().describe("Candidates for each picture; CLIP keeps the best"),
    noise: z.enum(["each", "batch"]).optional().describe("Each picture its own generator, or one for all"),
    schedulerConfig: z
      .record(z.string().max(100), z.union([z.string().max(200), z.number(), z.boolean(), z.null()]))
      .optional()
      .describe("Overrides of single keys of the checkpoint's scheduler_config"),
    adapters: z
      .array(z.strictObject({ name, scale: real(limits.adapterScale).optional() }))
      .max(16)
      .optional()
      .describe("Adapters of the server's folder by name, without .safetensors"),
    image: pictureSource.optional().describe("A picture to start from"),
    mask: pictureSource.optional().describe("What of it is drawn anew: white"),
    strength: real(limits.strength).optional().describe("How far from the picture that is started from"),
    maskBlur: whole(limits.maskBlur).optional().describe("Pixels over which what is drawn fades in"),
    keepUnmasked: z.boolean().optional().describe("Put the pixels back where the mask is closed; default true"),
    tiling: z.boolean().optional().describe("Decode in overlapping tiles; default: above 1024×1024 pixels"),
  })
  .meta({ id: "DrawRequest" });

export type DrawRequest = z.infer<typeof drawRequest>;

const side = z.int().min(1);

/** What a picture was really drawn with: `ResolvedSettings`, as JSON. */
export const drawnSettings = z
  .object({
    prompt: z.string(),
    negativePrompt: z.string(),
    goal: z.string().optional(),
    steps: z.int(),
    width: side,
    height: side,
    guidance: z.number(),
    sampler: z.string(),
    schedule: z.string(),
    seed: z.int(),
    rng: z.enum(["cpu", "cuda"]),
    count: z.int(),
    bestOf: z.int().optional(),
    strength: z.number().optional(),
    model: z.string(),
    modelHash: z.string().optional(),
  })
  .meta({ id: "DrawnSettings" });

export type DrawnSettings = ResolvedSettings;
