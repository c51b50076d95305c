import { hostname } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Config } from "../pipelines/config.ts";
import { openClip, openPromptWriter } from "../pipelines/index.ts";
import { MAX_AREA, limits as settingLimits } from "../pipelines/limits.ts";
import type { MachineOptions, OpeningOptions } from "../pipelines/opening.ts";
import { version } from "../pipelines/version.ts";
import type { Keys } from "./access/keys.ts";
import { createRate } from "./access/rate.ts";
import { createExplainer } from "./explain/explainer.ts";
import { createDecoder, UPLOADS } from "./jobs/decoder.ts";
import { drawWith } from "./jobs/draw-with.ts";
import { createJobs, type Jobs } from "./jobs/jobs.ts";
import { createLocalQueue, type QueueOptions } from "./jobs/local-queue.ts";
import type { JobQueue } from "./jobs/queue.ts";
import type { RequestTools } from "./jobs/request.ts";
import { createKept } from "./kept.ts";
import { createMetrics } from "./metrics.ts";
import type { Models } from "./models.ts";
import { MAX_PICTURES, MAX_PROMPT } from "./schema/draw.ts";
import type { ServerLimits } from "./schema/options.ts";
import type { Services } from "./services.ts";
import { closeDatabase, openDatabase, serverId } from "./store/database.ts";
import { createFileStore, type FileStore } from "./store/files.ts";
import { createGalleryStore } from "./store/gallery.ts";
import { createJobStore } from "./store/jobs.ts";
import { prune } from "./store/prune.ts";
import { sweep } from "./store/sweep.ts";
import { createUploadStore } from "./store/uploads.ts";

/** What a server does with whom, wherever it listens. */
export interface ServiceOptions {
  /** Where jobs and pictures are kept. */
  readonly data: string;
  /** The files of the gallery. Default: a folder in `data`. */
  readonly pictures?: FileStore;
  readonly adapterFolder?: string;
  readonly embeddings?: RequestTools["embeddings"];
  readonly config?: Pick<Config, "goals">;
  readonly allowHosts?: readonly string[];
  readonly allowOrigins?: readonly string[];
  /** Requests a second of one client; 0 for any number. */
  readonly requestsPerSecond?: number;
  /** Days that jobs are kept after their end; pictures stay. Default 30. */
  readonly keepJobs?: number;
  readonly queue?: { readonly jobs?: number; readonly perClient?: number };
  /** Bytes of a request. Default 32 MiB. */
  readonly bodyLimit?: number;
  /** Seconds between signs of life in a stream of events. Default 15. */
  readonly heartbeat?: number;
  readonly logPrompts?: boolean;
  /** The folder of the page. */
  readonly studio?: string;
  readonly log: Logger;
  /** Where jobs wait. Default: in this process. */
  readonly createQueue?: (options: QueueOptions) => JobQueue;
  /** What prompt writer and CLIP are opened with. */
  readonly machine?: MachineOptions & OpeningOptions;
}

/** What is opened for a server. */
export interface Opened {
  readonly services: Services;
  /** Accepts no more jobs, lets what is drawn go on for so many seconds at most, and takes leave of those who watch. */
  stop(graceSeconds: number): Promise<void>;
  /** After that: closes all. No request may follow. */
  close(): Promise<void>;
}

/** Seconds of its rate that a client may ask at once. */
const BURST_SECONDS = 6;
/** How often a job is begun before it counts as one that cannot be drawn. */
const ATTEMPTS = 10;
/** Prompt writer and CLIP: who may wait for them, and for how long they stay in memory. */
const KEPT = { waiting: 8, idleSeconds: 300 };

/**
 * Opens the data folder and all that routes work with. Jobs are drawn once `services.jobs.start()` was called.
 *
 * @param models closed with the rest
 * @throws InputError where another server has the folder, or its files are damaged
 */
export async function openServices(models: Models, keys: Keys | undefined, options: ServiceOptions): Promise<Opened> {
  const { data, log, machine, requestsPerSecond = 0, adapterFolder = "loras", embeddings, config } = options;
  const files = {
    pictures: options.pictures ?? createFileStore(join(data, "pictures")),
    thumbnails: createFileStore(join(data, "thumbnails")),
    uploads: createUploadStore(join(data, "uploads")),
  };
  const db = openDatabase(data);
  const [store, gallery] = [createJobStore(db), createGalleryStore(db)];
  await sweep({ store, gallery, ...files, log });
  const pruning = createPruning(() => prune({ store, uploads: files.uploads, days: options.keepJobs ?? 30, log }), log);
  await pruning.now();
  const requests: RequestTools = { ...files, adapterFolder, embeddings, config, decode: createDecoder(UPLOADS) };
  const limits = limitsOf(options);
  const metrics = createMetrics(() => jobs);
  const createQueue = options.createQueue ?? createLocalQueue;
  const queue = createQueue({
    server: serverId(db),
    draw: drawWith(models, requests),
    onError: (err, job) => log.error({ err, job }, "a job failed"),
  });
  const jobs: Jobs = createJobs({
    ...requests,
    ...files,
    store,
    gallery,
    queue,
    models,
    limits: { waiting: limits.queue.jobs, waitingPerClient: limits.queue.perClient, attempts: ATTEMPTS },
    onEnd: ({ id, state }, seconds) => {
      metrics.ended(state, seconds);
      log.info({ job: id, state, seconds }, "ended");
    },
    onPicture: ({ model }, seconds) => metrics.picture(model, seconds),
  });
  const writer = createKept(() => openPromptWriter(machine), { ...KEPT, name: "the prompt writer" });
  const clip = createKept(() => openClip(undefined, machine), { ...KEPT, name: "CLIP" });
  const explainer = createKept(async () => createExplainer(models), { ...KEPT, name: "the explanations" });
  let stopping = false;
  const services: Services = {
    jobs,
    gallery,
    files,
    models,
    writer,
    clip,
    explainer,
    requests,
    access: {
      keys,
      hosts: [hostname(), ...(options.allowHosts ?? [])].map((name) => name.toLowerCase()),
      origins: options.allowOrigins ?? [],
      rate: createRate(requestsPerSecond, requestsPerSecond * BURST_SECONDS),
    },
    limits,
    metrics,
    log,
    version: version(),
    logPrompts: options.logPrompts ?? false,
    studio: options.studio,
    heartbeat: options.heartbeat ?? 15,
    now: () => new Date(),
    ready: () => !stopping,
  };
  return {
    services,
    async stop(graceSeconds) {
      stopping = true;
      await jobs.close(graceSeconds);
    },
    async close() {
      await Promise.all([pruning.close(), writer.close(), clip.close(), explainer.close(), models.close()]);
      closeDatabase(db);
    },
  };
}

/** Now, and every hour from then on. */
function createPruning(work: () => Promise<void>, log: Logger) {
  let last = Promise.resolve();
  const now = (): Promise<void> => {
    last = work().catch((err: unknown) => log.error({ err }, "old jobs were not pruned"));
    return last;
  };
  const timer = setInterval(now, 3_600_000).unref();
  return {
    now,
    close() {
      clearInterval(timer);
      return last;
    },
  };
}

function limitsOf({ queue = {}, bodyLimit = 32 * 2 ** 20 }: ServiceOptions): Services["limits"] {
  const settings: ServerLimits["settings"] = {};
  for (const [name, [low, high]] of Object.entries(settingLimits)) settings[name] = [low, high];
  return {
    settings,
    pixels: MAX_AREA,
    prompt: MAX_PROMPT,
    pictures: MAX_PICTURES,
    body: bodyLimit,
    queue: { jobs: queue.jobs ?? 1000, perClient: queue.perClient ?? 200 },
    watchers: 1000,
  };
}
