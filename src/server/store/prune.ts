import { setImmediate as breathe } from "node:timers/promises";
import type { Logger } from "pino";
import type { JobStore } from "./jobs.ts";
import type { UploadStore } from "./uploads.ts";

export interface PruneTools {
  readonly store: Pick<JobStore, "prune" | "uploads">;
  readonly uploads: Pick<UploadStore, "prune">;
  /** Days that jobs are kept after their end. */
  readonly days: number;
  readonly log: Logger;
  readonly now?: () => Date;
}

/** Of jobs that have ended so many are kept, the newest. */
const MOST = 10_000;
/** Days that an Idempotency-Key stands for its job after that has ended; until then the job is kept. */
const KEY_DAYS = 7;
/** Jobs that are removed together. */
const BATCH = 500;
const DAY = 24 * 3_600_000;

/**
 * Forgets jobs that ended long ago, and removes uploads that no job starts from. Pictures stay. The rows go first: what a kill leaves
 * is found the next time.
 */
export async function prune({ store, uploads, days, log, now = () => new Date() }: PruneTools): Promise<void> {
  const before = (count: number): string => new Date(now().getTime() - count * DAY).toISOString();
  const query = { endedBefore: before(days), keysBefore: before(KEY_DAYS), most: MOST, batch: BATCH };
  let jobs = 0;
  for (let count = BATCH; count === BATCH; jobs += count) {
    count = store.prune(query);
    // Requests are answered in between.
    await breathe();
  }
  const files = await uploads.prune(() => store.uploads());
  if (jobs + files > 0) log.info({ jobs, uploads: files }, "pruned");
}
