import { z } from "zod";
import { promptSyntaxes } from "../../pipelines/settings.ts";
import { drawRequest, MAX_PROMPT, pictureSource } from "./draw.ts";

const words = z.string().max(MAX_PROMPT);
const model = z.string().min(1).max(200).optional();

/** POST /api/tokens */
export const tokensRequest = z
  .strictObject({ prompt: words, promptSyntax: z.enum(promptSyntaxes).optional(), model })
  .meta({ id: "TokensRequest" });
export type TokensRequest = z.infer<typeof tokensRequest>;

export const tokens = z
  .object({
    count: z.int().describe("Tokens of the words, without start, end and padding"),
    room: z.int().describe("How many fit into the rows that are taken: 75 each"),
    rows: z.int(),
    dropped: z.string().describe("What does not fit, in plain syntax"),
    parts: z
      .array(
        z.object({
          weight: z.number().describe("Of the part, where AND joins several"),
          fragments: z.array(
            z.object({
              text: z.string(),
              weight: z.number(),
              at: z.int().describe("Offset of its first character in the prompt"),
              isBreak: z.boolean(),
            }),
          ),
          tokens: z.array(z.object({ id: z.int(), text: z.string(), weight: z.number() })),
        }),
      )
      .describe("As the words stand in the first step"),
  })
  .meta({ id: "Tokens" });
export type Tokens = z.infer<typeof tokens>;

/** POST /api/write */
export const writeRequest = z
  .strictObject({
    beginning: words.optional().describe("Stands at the start of every prompt as it is given"),
    count: z.int().min(1).max(16).optional().describe("Default 4"),
    maxLength: z.int().min(1).max(256).optional().describe("Tokens, the beginning's included"),
    temperature: z.number().min(0).max(100).optional(),
    topK: z.int().min(0).max(100_000).optional(),
    topP: z.number().min(0).max(1).optional(),
    repetitionPenalty: z.number().min(0.01).max(100).optional(),
    seed: z.int().optional(),
    ban: z.array(z.string().min(1).max(200)).max(100).optional().describe("Words that must not be written"),
    goal: z.string().min(1).max(200).optional(),
  })
  .meta({ id: "WriteRequest" });
export type WriteRequest = z.infer<typeof writeRequest>;

export const written = z
  .object({
    model: z.string(),
    prompts: z.array(
      z.object({
        text: z.string(),
        seed: z.int(),
        probability: z.number().describe("The geometric mean of its tokens' probabilities"),
        score: z.number().optional().describe("100 times CLIP's cosine of beginning and prompt"),
      }),
    ),
  })
  .meta({ id: "Written" });
export type Written = z.infer<typeof written>;

/** POST /api/score */
export const scoreRequest = z
  .strictObject({
    pictures: z.array(pictureSource).min(1).max(16),
    texts: z.array(words).min(1).max(16),
  })
  .meta({ id: "ScoreRequest" });
export type ScoreRequest = z.infer<typeof scoreRequest>;

export const scores = z
  .object({
    model: z.string(),
    scores: z.array(z.array(z.number())).describe("A row a picture, a column a text: 100 times the cosine"),
    probabilities: z
      .array(z.array(z.number()))
      .describe("How CLIP divides its belief over the texts; rows add up to 1"),
  })
  .meta({ id: "Scores" });
export type Scores = z.infer<typeof scores>;

/** POST /api/settings/from-picture: the body is the file itself, or a form with the field "picture". */
export const settingsFromPicture = z
  .object({
    settings: drawRequest.partial().describe("What it was drawn with, as far as it can be asked for here"),
    infotext: z.string(),
    notes: z.array(z.string()).describe("What cannot be taken over, and why it may differ"),
  })
  .meta({ id: "SettingsFromPicture" });
export type SettingsFromPicture = z.infer<typeof settingsFromPicture>;
