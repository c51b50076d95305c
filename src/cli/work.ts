import type { Cli } from "./cli.ts";
import { UsageError } from "./errors.ts";
import { servingOf, untilStopped } from "./serving.ts";
import { type DrawingForOthers, QUEUE } from "./serving-options.ts";

/** Options of `inkling worker`. */
export interface WorkerOptions extends DrawingForOthers {
  readonly lease?: number;
}

/**
 * Draws for servers until the signal fires.
 *
 * @throws UsageError for options that make no sense; InputError where Redis or a model cannot be had, or a job's model is not here
 */
export async function work(options: WorkerOptions, cli: Cli): Promise<void> {
  const { redis, config: _, ...serving } = await servingOf(options, cli);
  if (redis === undefined) throw new UsageError(`say where the jobs are: --queue redis://host:6379, or ${QUEUE}`);
  const { startWorker } = await import("../server/index.ts");
  cli.signal.throwIfAborted();
  const worker = await startWorker({ ...serving, redis, lease: options.lease });
  await untilStopped(worker, `takes jobs from ${worker.from}`, cli);
}
