import type { Logger } from "pino";
import type { LoadOptions } from "../pipelines/index.ts";
import { InputError, untilAborted } from "../tensor/index.ts";
import type { DrawJob } from "./jobs/attempts.ts";
import { createDecoder, UPLOADS } from "./jobs/decoder.ts";
import { drawWith } from "./jobs/draw-with.ts";
import type { RequestTools } from "./jobs/request.ts";
import { createModels, servedModels } from "./models.ts";

/** What a worker is started with: models, adapters and embeddings as those of the server that it draws for. */
export interface WorkOptions {
  /** Where the queue is: "redis://host:6379", or rediss:// with TLS. */
  readonly redis: string;
  /** Names or paths. Default: all that are on this machine. */
  readonly models?: readonly string[];
  /** Models that stay in memory. Default 1. */
  readonly keepModels?: number;
  readonly load?: LoadOptions;
  readonly adapterFolder?: string;
  readonly embeddings?: RequestTools["embeddings"];
  /** Seconds that a job may go on when the worker is told to stop. Default 10. */
  readonly grace?: number;
  /** Seconds without a sign of life after which a job is given to another worker. Default 10. */
  readonly lease?: number;
  readonly log: Logger;
}

export interface RunningWorker {
  /** Where it takes jobs from, without a password. */
  readonly from: string;
  /** Rejects where a job came for a model that this worker does not have; the job is put back when it is closed. */
  readonly failed: Promise<never>;
  /** Takes no more jobs, lets the one that is drawn go on for `grace` seconds, puts it back then, and closes all. */
  close(): Promise<void>;
}

/**
 * Takes jobs from a queue at Redis, one at a time.
 *
 * @throws InputError where Redis or a model cannot be had
 */
export async function startWorker(options: WorkOptions): Promise<RunningWorker> {
  const { log, lease = 10, embeddings, adapterFolder = "loras" } = options;
  let { grace = 10 } = options;
  const load: LoadOptions = { ...options.load, onNote: (line) => log.info(line) };
  const served = await servedModels(options.models ?? [], load);
  const names = served.map(({ name }) => name);
  const models = createModels({ served, load, keep: options.keepModels ?? 1 });
  const { connectRedis } = await import("./redis/connect.ts");
  const { startQueueWorker } = await import("./redis/worker.ts");
  const redis = await connectRedis(options.redis, log);

  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const drawOwn = drawWith(models, { adapterFolder, embeddings, decode: createDecoder(UPLOADS) });
  const draw: DrawJob = async function* (order, signal) {
    const { model } = order.settings;
    if (!names.includes(model)) {
      // Another worker may have it. One that goes on without it would take that job again and again.
      grace = 0;
      fail(new InputError(`A job wants the model ${model}, which this worker does not have: ${names.join(", ")}.`));
      await untilAborted(new Promise<never>(() => {}), signal);
    }
    yield* drawOwn(order, signal);
  };
  const queue = startQueueWorker(redis, { draw, lease, log });
  log.info({ redis: redis.shown, models: names }, "takes jobs");
  return {
    from: redis.shown,
    failed,
    async close() {
      log.info("stopping");
      await queue.close(grace);
      await models.close();
      log.info("stopped");
    },
  };
}
