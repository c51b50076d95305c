import { randomBytes } from "node:crypto";
import { ApiError, notFound } from "../error.ts";
import type { Models } from "../models.ts";
import type { DrawnSettings, DrawRequest } from "../schema/draw.ts";
import type { Job, JobList, JobState } from "../schema/job.ts";
import { type FileStore, sha256 } from "../store/files.ts";
import { type GalleryStore, pictureId } from "../store/gallery.ts";
import type { JobStore, StoredJob } from "../store/jobs.ts";
import { checkBurden } from "./burden.ts";
import { type Channels, createChannels, type Watcher } from "./channels.ts";
import { createPace } from "./pace.ts";
import type { Clerk, JobQueue } from "./queue.ts";
import { filesOf, keepable, type RequestTools, settingsOf } from "./request.ts";
import { createViews, picturesOf, secondsOf } from "./view.ts";

/** Who asks for a job. */
export interface Asker {
  /** Clients take turns by it. */
  readonly client: string;
  readonly idempotencyKey?: string;
  readonly retryOf?: string;
}

/** Jobs from the request to the last picture. */
export interface Jobs {
  /**
   * Stores a job, and resolves when no kill can lose it. `fresh`: false where the asker's key stands for it already.
   *
   * @throws ApiError or InputError for what cannot be drawn, or where too many wait
   */
  accept(request: DrawRequest, asker: Asker): Promise<{ readonly job: Job; readonly fresh: boolean }>;
  get(id: string): Job;
  list(query: { state?: JobState; before?: string; limit?: number }): JobList;
  cancel(id: string): Promise<Job>;
  retry(id: string, asker: Asker): Promise<Job>;
  /** See {@link Channels}. */
  watch(id: string, after?: string): Watcher | undefined;
  /** What a job that is drawn looks like now: a small PNG as a data URL. */
  preview(id: string): string | undefined;
  readonly watchers: number;
  readonly waiting: number;
  readonly running: number;
  /** Puts what waits in line and begins to draw. */
  start(): Promise<void>;
  /** What is drawn may go on for so long, and is queued again after that. */
  close(graceSeconds: number): Promise<void>;
}

export interface JobsOptions extends RequestTools {
  readonly store: JobStore;
  readonly gallery: GalleryStore;
  readonly pictures: FileStore;
  readonly uploads: FileStore;
  readonly queue: JobQueue;
  readonly models: Pick<Models, "resolve">;
  readonly limits: JobLimits;
  readonly now?: () => Date;
  /** Of every job that has ended, with the seconds from its start. */
  readonly onEnd?: (job: StoredJob, seconds: number) => void;
  readonly onPicture?: (settings: DrawnSettings, seconds: number) => void;
}

export interface JobLimits {
  /** Jobs that may wait. */
  readonly waiting: number;
  /** Of one client. */
  readonly waitingPerClient: number;
  /** How often a job is begun before it counts as one that cannot be drawn. */
  readonly attempts: number;
}

/** Jobs kept in `store`, drawn by `queue`. */
export function createJobs(options: JobsOptions): Jobs {
  const { store, gallery, pictures, uploads, queue, models, limits, onEnd, onPicture } = options;
  const now = (): string => (options.now?.() ?? new Date()).toISOString();
  const pace = createPace();
  const channels: Channels = createChannels((id) => views.past(id));
  const views = createViews({ store, gallery, queue, pace, stepOf: channels.step });
  let stopping = false;

  const stored = (id: string): StoredJob => {
    const job = store.get(id);
    if (job) return job;
    throw notFound("job", id);
  };

  /** Those who watch a job that waits learn that it has moved. */
  function tellPlaces(): void {
    const watched = channels.watched();
    if (watched.length === 0) return;
    const line = views.lineUp();
    const waiting = new Set(queue.waiting());
    for (const id of watched) {
      if (!waiting.has(id) || line.placeOf(id) === channels.place(id)) continue;
      channels.tell(id, views.queued(stored(id), line));
    }
  }

  const clerk: Clerk = {
    async order(id) {
      const job = store.get(id);
      if (!job || !isOpen(job)) return undefined;
      const { client, settings, drawn } = job;
      // The first of the models, which is taken where none is named, may be another one elsewhere.
      const request = { ...job.request, model: settings.model };
      const goals = request.goal === undefined ? {} : { goals: options.config?.goals };
      try {
        return { id, client, request, settings, drawn, ...goals, ...(await filesOf(request, options)) };
      } catch (error) {
        // A picture of the gallery that it starts from was deleted meanwhile.
        if (!(error instanceof ApiError)) throw error;
        clerk.end(id, { type: "failed", message: error.message });
        return undefined;
      }
    },
    begin(id) {
      if (store.get(id)?.state === "running") requeueCutOff(id);
      const job = store.begin(id, now());
      if (!job) return false;
      const { settings, attempts } = job;
      channels.tell(id, { type: "start", settings, pictures: picturesOf(settings), attempt: attempts });
      return true;
    },
    async told(id, event) {
      if (event.type === "step") {
        const { makePreview, ...step } = event;
        return channels.tell(id, step, makePreview);
      }
      if (event.type !== "picture") return channels.tell(id, event);
      const job = store.get(id);
      // Drawn twice, by one who was taken to be gone, or when nobody wanted it any more; or one before it got lost, and all that
      // follow are drawn once more with that.
      if (!job || !isOpen(job) || event.index !== job.drawn) return;
      const { type: _, png, seconds, ...picture } = event;
      const name = pictureId(id, picture.index);
      // The file first: a row says that there is one.
      await pictures.write(`${name}.png`, png);
      if (!gallery.insert({ ...picture, job: id, created: now() })) return;
      pace.seen(picture.settings, seconds);
      onPicture?.(picture.settings, seconds);
      channels.tell(id, { type: "image", picture: gallery.get(name)! });
    },
    end(id, outcome) {
      if (outcome.type === "stopped") return store.requeue(id);
      const message = outcome.type === "failed" ? outcome.message : undefined;
      if (!store.end(id, outcome.type, now(), message)) return;
      const job = stored(id);
      for (const event of views.standing(job)) channels.tell(id, event);
      onEnd?.(job, secondsOf(job));
    },
    isWhole(id) {
      const { settings, drawn } = stored(id);
      return drawn >= settings.count;
    },
    moved: tellPlaces,
    watched: (id) => channels.watched().includes(id),
  };

  /** A job whose drawer is gone waits again, unless that came too often. */
  function requeueCutOff(id: string): void {
    const message = cutOff(limits.attempts);
    if (stored(id).attempts < limits.attempts) store.requeue(id);
    else clerk.end(id, { type: "failed", message });
  }

  function checkRoom(client: string): void {
    if (stopping) throw new ApiError("stopping", "The server is stopping; ask again in a moment.", { retryAfter: 10 });
    const [all, own] = [store.countWaiting(), store.countWaiting(client)];
    const whose = all >= limits.waiting ? "" : own >= limits.waitingPerClient ? " of yours" : undefined;
    if (whose === undefined) return;
    const jobs = whose ? own : all;
    const first = queue.running().map((id) => channels.step(id)?.secondsLeft ?? 10);
    const retryAfter = Math.max(1, Math.ceil(Math.min(600, ...first)));
    throw new ApiError("too_many", `${jobs} jobs${whose} wait already; ask again when some are done.`, { retryAfter });
  }

  function knownBy({ client, idempotencyKey }: Asker, fingerprint: string): StoredJob | undefined {
    const known = idempotencyKey === undefined ? undefined : store.byKey(client, idempotencyKey);
    if (!known || known.fingerprint === fingerprint) return known?.job;
    throw new ApiError("mismatch", "This Idempotency-Key came with another request before: take a new one.");
  }

  const jobs: Jobs = {
    async accept(asked, asker) {
      const fingerprint = sha256(JSON.stringify(asked));
      const known = knownBy(asker, fingerprint);
      if (known) return { job: views.job(known), fresh: false };
      checkRoom(asker.client);
      const files = await filesOf(asked, options);
      const wanted = await settingsOf(asked, files, options);
      const settings = await models.resolve(asked.model, wanted);
      checkBurden(settings);
      const request = await keepable({ ...asked, seed: settings.seed }, files, uploads);

      // Nothing is awaited from here to the insertion: who asked meanwhile is seen.
      const twin = knownBy(asker, fingerprint);
      if (twin) return { job: views.job(twin), fresh: false };
      checkRoom(asker.client);
      const id = randomBytes(10).toString("hex");
      const { model } = settings;
      const job = store.insert({ ...asker, id, request, settings, model, fingerprint, created: now() });
      await queue.add(job);
      // Another client's turn may come before somebody's who waited.
      tellPlaces();
      return { job: jobs.get(id), fresh: true };
    },
    get: (id) => views.job(stored(id)),
    list({ limit = 50, ...query }) {
      if (query.before !== undefined) stored(query.before);
      const found = store.list({ ...query, limit: limit + 1 });
      const line = views.lineUp();
      const page = found.slice(0, limit).map((job) => views.job(job, line));
      return { jobs: page, next: found.length > limit ? page.at(-1)!.id : null };
    },
    async cancel(id) {
      const job = stored(id);
      if (!isOpen(job)) {
        throw new ApiError("conflict", `The job has ended already: it is ${job.state}.`);
      }
      const drawn = queue.running().includes(id);
      await queue.cancel(id);
      // Of one that is drawn the queue says when it has stopped; it may also be done before that.
      if (drawn) await ended(id);
      else clerk.end(id, { type: "cancelled" });
      tellPlaces();
      return jobs.get(id);
    },
    async retry(id, asker) {
      const job = stored(id);
      if (isOpen(job)) {
        throw new ApiError("conflict", `The job is ${job.state}: there is nothing to repeat yet.`);
      }
      return (await jobs.accept(job.request, { ...asker, retryOf: id })).job;
    },
    watch(id, after) {
      stored(id);
      return channels.watch(id, after);
    },
    preview: channels.preview,
    get watchers() {
      return channels.watchers;
    },
    get waiting() {
      return store.countWaiting();
    },
    get running() {
      return queue.running().length;
    },
    async start() {
      if (!queue.outlives) store.recover(limits.attempts, cutOff(limits.attempts), now());
      for (const job of store.open()) await queue.add(job);
      queue.start(clerk);
    },
    async close(graceSeconds) {
      stopping = true;
      await queue.close(graceSeconds);
      channels.closeAll({ type: "stopping" });
    },
  };

  /** Resolves when a job that is drawn has ended. */
  async function ended(id: string): Promise<void> {
    const watcher = channels.watch(id);
    while (watcher && (await watcher.next()));
    watcher?.close();
  }
  return jobs;
}

function isOpen({ state }: Pick<StoredJob, "state">): boolean {
  return state === "queued" || state === "running";
}

const cutOff = (times: number): string => `It was cut off ${times} times, whenever it was drawn.`;
