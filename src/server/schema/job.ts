import { z } from "zod";
import { type DrawnSettings, type DrawRequest, drawnSettings, drawRequest } from "./draw.ts";
import { type GalleryItem, galleryItem } from "./gallery.ts";

const when = z.iso.datetime();

export const jobStates = ["queued", "running", "done", "failed", "cancelled"] as const;
export type JobState = (typeof jobStates)[number];

/** Where a running job is. */
export const jobProgress = z
  .object({
    picture: z.int().describe("Which picture is drawn, candidates counted, from 0"),
    pictures: z.int().describe("How many are drawn, candidates included"),
    call: z.int().describe("Calls of the U-Net that are done for this picture"),
    calls: z.int().describe("How many it takes; some samplers make two a step"),
  })
  .meta({ id: "JobProgress" });
export type JobProgress = z.infer<typeof jobProgress>;

export const jobError = z.object({ message: z.string() }).meta({ id: "JobError" });

export const job = z
  .object({
    id: z.string(),
    state: z.enum(jobStates),
    request: drawRequest.describe("As it was asked, the seed settled; bytes of pictures are named as uploads"),
    settings: drawnSettings.describe("What it is drawn with, nothing left open"),
    model: z.string(),
    position: z.int().nullable().describe("How many jobs are drawn before it; null where it is not queued"),
    progress: jobProgress.nullable().describe("Null where it is not running, or has not begun"),
    secondsLeft: z.number().nullable().describe("Of this job alone once it runs; null until it is known"),
    pictures: z.array(galleryItem).describe("Those that are finished, in their order"),
    error: jobError.nullable(),
    attempts: z.int().describe("How often it was begun"),
    retryOf: z.string().nullable().describe("The id of the job that this one repeats"),
    created: when,
    started: when.nullable(),
    finished: when.nullable(),
  })
  .meta({ id: "Job" });

/** A job, as JSON. */
export interface Job extends Omit<z.infer<typeof job>, "request" | "settings" | "pictures"> {
  request: DrawRequest;
  settings: DrawnSettings;
  pictures: GalleryItem[];
}

export const jobQuery = z.object({
  state: z.enum(jobStates).optional(),
  before: z.string().max(100).optional().describe("The id of a job: those that are older"),
  limit: z.coerce.number().int().min(1).max(200).optional().describe("Default 50"),
});

export const jobList = z.object({ jobs: z.array(job), next: z.string().nullable() }).meta({ id: "JobList" });
export interface JobList {
  /** The newest first. */
  jobs: Job[];
  next: string | null;
}
