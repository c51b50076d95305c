import type { DrawnSettings } from "../schema/draw.ts";
import type { JobEvent } from "../schema/events.ts";
import type { Job } from "../schema/job.ts";
import type { GalleryStore } from "../store/gallery.ts";
import type { JobStore, StoredJob } from "../store/jobs.ts";
import type { Pace } from "./pace.ts";
import type { JobQueue } from "./queue.ts";

type StepEvent = Extract<JobEvent, { type: "step" }>;

/** The queue at one moment. */
export interface LineUp {
  /** How many jobs are drawn before it. */
  placeOf(id: string): number;
  /** Until the job in this place is done; null where one before it is of a model that was not seen drawing. */
  secondsUntil(place: number): number | null;
}

export interface ViewTools {
  readonly store: Pick<JobStore, "get">;
  readonly gallery: Pick<GalleryStore, "ofJob">;
  readonly queue: Pick<JobQueue, "waiting" | "running">;
  readonly pace: Pick<Pace, "secondsOf">;
  /** The last step of a job that is drawn. */
  readonly stepOf: (id: string) => StepEvent | undefined;
}

/** Jobs as clients see them. */
export function createViews({ store, gallery, queue, pace, stepOf }: ViewTools) {
  function lineUp(): LineUp {
    const line = queue.waiting();
    const running = queue.running();
    /** Seconds of work before each place, and of its own job. */
    const sums: { before: number; own: number }[] = [];
    let sum = 0;
    return {
      placeOf: (id) => Math.max(0, line.indexOf(id)),
      secondsUntil(place) {
        if (sums.length === 0) for (const id of running) sum += stepOf(id)?.secondsLeft ?? Number.NaN;
        while (sums.length <= place && sums.length < line.length) {
          const job = store.get(line[sums.length]!);
          const own = (job && pace.secondsOf(job.settings, job.drawn)) ?? Number.NaN;
          sums.push({ before: sum, own });
          sum += own;
        }
        const { before, own } = sums[place] ?? { before: Number.NaN, own: Number.NaN };
        // As many as draw now will go on to share the work.
        const seconds = before / Math.max(1, running.length) + own;
        return Number.isNaN(seconds) ? null : seconds;
      },
    };
  }

  function job(stored: StoredJob, line: LineUp = lineUp()): Job {
    const { state, error, client: _, drawn: __, ...same } = stored;
    const step = state === "running" ? stepOf(stored.id) : undefined;
    const position = state === "queued" ? line.placeOf(stored.id) : null;
    const pictures = picturesOf(stored.settings);
    return {
      ...same,
      state,
      position,
      progress: step ? { picture: step.picture, pictures, call: step.call + 1, calls: step.calls } : null,
      secondsLeft: position === null ? (step?.secondsLeft ?? null) : line.secondsUntil(position),
      pictures: gallery.ofJob(stored.id),
      error: error === null ? null : { message: error },
    };
  }

  function queued({ id }: StoredJob, line: LineUp = lineUp()): Extract<JobEvent, { type: "queued" }> {
    const position = line.placeOf(id);
    return { type: "queued", position, secondsLeft: line.secondsUntil(position) };
  }

  /** How things stand with a job, as an event; nothing where it is drawn, which its channel tells. */
  function standing(stored: StoredJob): JobEvent[] {
    switch (stored.state) {
      case "queued":
        return [queued(stored)];
      case "running":
        return [];
      case "done":
        return [{ type: "done", seconds: secondsOf(stored) }];
      case "failed":
        return [{ type: "failed", error: { message: stored.error ?? "" } }];
      case "cancelled":
        return [{ type: "cancelled" }];
    }
  }

  return {
    lineUp,
    job,
    queued,
    standing,
    /** What the books say of a job, as events. */
    past(id: string): JobEvent[] {
      const stored = store.get(id);
      if (!stored) return [];
      const images = gallery.ofJob(id).map((picture): JobEvent => ({ type: "image", picture }));
      return [...images, ...standing(stored)];
    },
  };
}

/** Candidates included. */
export function picturesOf({ count, bestOf = 1 }: DrawnSettings): number {
  return count * bestOf;
}

/** From its last beginning to its end. */
export function secondsOf({ started, finished }: StoredJob): number {
  return started && finished ? (Date.parse(finished) - Date.parse(started)) / 1000 : 0;
}
