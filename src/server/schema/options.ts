import { z } from "zod";
import type { GoalSettings, WriterSettings } from "../../pipelines/settings.ts";

/** One of GET /api/models. */
export const modelInfo = z
  .object({
    name: z.string(),
    about: z.string(),
    default: z.boolean().describe("Taken where a request names none"),
    loaded: z.boolean().describe("Its networks are in memory"),
    defaults: z
      .object({
        width: z.int(),
        height: z.int(),
        steps: z.int(),
        guidance: z.number(),
        sampler: z.string().optional(),
        schedule: z.string().optional(),
      })
      .optional()
      .describe("What it is drawn with where nothing is said; absent until it was first opened"),
  })
  .meta({ id: "Model" });
export type ModelInfo = z.infer<typeof modelInfo>;

export const modelList = z.object({ models: z.array(modelInfo) }).meta({ id: "ModelList" });
export type ModelList = z.infer<typeof modelList>;

export const samplerInfo = z
  .object({
    name: z.string(),
    aliases: z.array(z.string()),
    family: z.enum(["a1111", "diffusers"]),
    description: z.string(),
    stochastic: z.boolean(),
    callsPerStep: z.union([z.literal(1), z.literal(2), z.literal("varies")]),
    takesEta: z.boolean(),
    schedules: z.array(z.string()).describe("Those that it can walk"),
  })
  .meta({ id: "Sampler" });
export type SamplerInfo = z.infer<typeof samplerInfo>;

export const scheduleInfo = z
  .object({ name: z.string(), aliases: z.array(z.string()), description: z.string() })
  .meta({ id: "Schedule" });
export type ScheduleInfo = z.infer<typeof scheduleInfo>;

export const goalInfo = z
  .object({
    name: z.string(),
    about: z.string(),
    settings: z.object({}).describe("What it sets; the model's own stay where they are absent"),
    writer: z.object({}).describe("What it asks of the prompt writer"),
  })
  .meta({ id: "Goal" });
export interface GoalInfo extends Omit<z.infer<typeof goalInfo>, "settings" | "writer"> {
  settings: GoalSettings;
  writer: WriterSettings;
}

const range = z.tuple([z.number(), z.number()]);

/** What this server takes at most. */
export const serverLimits = z
  .object({
    settings: z.record(z.string(), range).describe("[least, greatest] of every number of a request"),
    pixels: z.int().describe("Of a picture"),
    prompt: z.int().describe("Characters"),
    pictures: z.int().describe("Of a job, candidates included"),
    body: z.int().describe("Bytes of a request"),
    queue: z.object({ jobs: z.int(), perClient: z.int() }).describe("Jobs that may wait"),
  })
  .meta({ id: "Limits" });
export type ServerLimits = z.infer<typeof serverLimits>;

/** GET /api/options: all that menus and sliders need. */
export const options = z
  .object({
    version: z.string(),
    samplers: z.array(samplerInfo),
    schedules: z.array(scheduleInfo),
    goals: z.array(goalInfo),
    adapters: z.array(z.string()).describe("Of the server's folder"),
    limits: serverLimits,
  })
  .meta({ id: "Options" });
export interface Options extends Omit<z.infer<typeof options>, "goals"> {
  goals: GoalInfo[];
}
