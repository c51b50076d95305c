import { z } from "zod";
import { type DrawnSettings, drawnSettings } from "./draw.ts";
import { type GalleryItem, galleryItem } from "./gallery.ts";
import { jobError } from "./job.ts";

/**
 * What `GET /api/jobs/ID/events` says, as server-sent events: `event:` is the type, `data:` the object below, `id:` what
 * Last-Event-ID takes. Who comes late is first told all that still holds: the finished pictures and the last step. Who comes back
 * is told what was missed; of steps only the last. After a restart of the server a picture may be told twice: it has one id. After
 * done, failed and cancelled nothing follows, and the stream ends; who asks again with that Last-Event-ID gets 204, which tells an
 * EventSource to stay away.
 */
export const jobEvent = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("queued"),
      position: z.int().describe("How many jobs are drawn before it"),
      secondsLeft: z.number().nullable().describe("Until this job is done, where that can be told"),
    }),
    z
      .object({
        type: z.literal("start"),
        settings: drawnSettings,
        pictures: z.int().describe("How many are drawn, candidates included"),
        attempt: z.int().describe("1 the first time; more where it was begun before and cut off"),
      })
      .describe("Its turn has come; a model that is not in memory is loaded first"),
    z.object({
      type: z.literal("step"),
      picture: z.int(),
      call: z.int().describe("From 0"),
      calls: z.int(),
      timestep: z.number(),
      sigma: z.number(),
      secondsLeft: z.number(),
      preview: z.string().optional().describe("A small PNG of the picture that is expected, as a data URL"),
    }),
    z.object({ type: z.literal("decode"), picture: z.int(), secondsLeft: z.number() }),
    z
      .object({
        type: z.literal("score"),
        picture: z.int(),
        seed: z.int(),
        score: z.number(),
        candidateFor: z.int().describe("Which of the pictures that were asked for it may become"),
        of: z.int(),
      })
      .describe("With bestOf: how well a candidate fits its prompt"),
    z.object({ type: z.literal("image"), picture: galleryItem }).describe("A picture is finished and kept"),
    z.object({ type: z.literal("note"), message: z.string() }).describe("A remark: what was cut or guessed"),
    z.object({ type: z.literal("done"), seconds: z.number() }),
    z.object({ type: z.literal("failed"), error: jobError }),
    z.object({ type: z.literal("cancelled") }),
    z
      .object({ type: z.literal("stopping") })
      .describe("The server stops; the job goes on when it runs again. Not the last word on the job: connect again"),
  ])
  .meta({ id: "JobEvent" });

type Told = z.infer<typeof jobEvent>;

/** An event of a job, as JSON. */
export type JobEvent =
  | Exclude<Told, { type: "start" | "image" }>
  | (Omit<Extract<Told, { type: "start" }>, "settings"> & { settings: DrawnSettings })
  | { type: "image"; picture: GalleryItem };

/** After these nothing follows. */
export const lastEvents = ["done", "failed", "cancelled"] as const satisfies readonly JobEvent["type"][];
