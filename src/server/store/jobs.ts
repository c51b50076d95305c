import type { DrawnSettings, DrawRequest } from "../schema/draw.ts";
import type { JobState } from "../schema/job.ts";
import type { Db } from "./database.ts";

/** A job as it is kept. Times are ISO 8601. */
export interface StoredJob {
  readonly id: string;
  /** Who asked: a key's name or an address. */
  readonly client: string;
  readonly state: JobState;
  readonly request: DrawRequest;
  readonly settings: DrawnSettings;
  readonly model: string;
  /** Its first pictures, so many, are in the gallery, or were. */
  readonly drawn: number;
  readonly attempts: number;
  readonly retryOf: string | null;
  readonly error: string | null;
  readonly created: string;
  readonly started: string | null;
  readonly finished: string | null;
}

export interface NewJob extends Pick<StoredJob, "id" | "client" | "request" | "settings" | "model" | "created"> {
  readonly retryOf?: string;
  readonly idempotencyKey?: string;
  /** Of the request as it came: what the same key has to come with again. */
  readonly fingerprint: string;
}

/** Which jobs are forgotten. Times are ISO 8601. */
export interface PruneQuery {
  /** Those that had ended by then. */
  readonly endedBefore: string;
  /** Keys of jobs that had ended by then. */
  readonly keysBefore: string;
  /** Those that have ended beside so many that are newer. */
  readonly most: number;
  readonly batch: number;
}

export interface JobStore {
  insert(job: NewJob): StoredJob;
  get(id: string): StoredJob | undefined;
  /** The job that a client's key stands for. */
  byKey(client: string, key: string): { readonly job: StoredJob; readonly fingerprint: string } | undefined;
  /** The newest first. */
  list(query: { state?: JobState; before?: string; limit: number }): StoredJob[];
  /** Those that have not ended: what runs before what waits, the oldest first. */
  open(): StoredJob[];
  countWaiting(client?: string): number;
  /** queued → running; undefined where it is not queued any more. */
  begin(id: string, now: string): StoredJob | undefined;
  /** running → queued, to be begun again. */
  requeue(id: string): void;
  /** What ran when the last process ended is queued again; where it was begun `attempts` times already it failed, and `why`. */
  recover(attempts: number, why: string, now: string): { readonly requeued: number; readonly failed: number };
  /** Forgets keys, and then jobs without one, at most `batch`; says how many jobs those were. */
  prune(query: PruneQuery): number;
  /** The uploads that jobs start from. */
  uploads(): Set<string>;
  /** The end of a job that is queued or runs; false where it had ended. */
  end(id: string, state: "done" | "failed" | "cancelled", now: string, error?: string): boolean;
}

interface Row extends Omit<StoredJob, "request" | "settings" | "retryOf"> {
  readonly request: string;
  readonly settings: string;
  readonly retry_of: string | null;
  readonly fingerprint: string;
}

/** The jobs of a database. */
export function createJobStore(db: Db): JobStore {
  const get = db.prepare("SELECT * FROM jobs WHERE id = ?");
  const byKey = db.prepare("SELECT * FROM jobs WHERE client = ? AND idempotency_key = ?");
  const insert = db.prepare(`
    INSERT INTO jobs (id, client, state, request, settings, model, retry_of, idempotency_key, fingerprint, created)
    VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)`);
  const list = db.prepare(`
    SELECT * FROM jobs
    WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR seq < (SELECT seq FROM jobs WHERE id = ?2))
    ORDER BY seq DESC LIMIT ?3`);
  const open = db.prepare("SELECT * FROM jobs WHERE state IN ('queued', 'running') ORDER BY state = 'queued', seq");
  const count = db.prepare("SELECT count(*) AS n FROM jobs WHERE state = 'queued'");
  const countOf = db.prepare("SELECT count(*) AS n FROM jobs WHERE state = 'queued' AND client = ?");
  const begin = db.prepare(`
    UPDATE jobs SET state = 'running', attempts = attempts + 1, started = ? WHERE id = ? AND state = 'queued'`);
  const requeue = db.prepare("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'running'");
  const giveUp = db.prepare(`
    UPDATE jobs SET state = 'failed', finished = ?, error = ? WHERE state = 'running' AND attempts >= ?`);
  const requeueAll = db.prepare("UPDATE jobs SET state = 'queued' WHERE state = 'running'");
  const forgetKeys = db.prepare(
    "UPDATE jobs SET idempotency_key = NULL WHERE idempotency_key IS NOT NULL AND finished < ?",
  );
  const forget = db.prepare(`
    DELETE FROM jobs WHERE seq IN (
      SELECT seq FROM jobs
      WHERE finished IS NOT NULL AND idempotency_key IS NULL AND (finished < ?1
        OR seq <= (SELECT seq FROM jobs WHERE finished IS NOT NULL ORDER BY seq DESC LIMIT 1 OFFSET ?2))
      LIMIT ?3)`);
  const withUploads = db.prepare("SELECT request FROM jobs WHERE request LIKE '%\"upload\":%'");
  const end = db.prepare(`
    UPDATE jobs SET state = ?, finished = ?, error = ? WHERE id = ? AND state IN ('queued', 'running')`);

  const one = (row: unknown): StoredJob | undefined => (row ? jobOf(row as Row) : undefined);
  const all = (rows: unknown[]): StoredJob[] => rows.map((row) => jobOf(row as Row));
  return {
    insert(job) {
      const { id, client, request, settings, model, retryOf = null, idempotencyKey = null, fingerprint } = job;
      const [asked, drawn] = [JSON.stringify(request), JSON.stringify(settings)];
      insert.run(id, client, asked, drawn, model, retryOf, idempotencyKey, fingerprint, job.created);
      return one(get.get(id))!;
    },
    get: (id) => one(get.get(id)),
    byKey(client, key) {
      const row = byKey.get(client, key) as Row | undefined;
      return row && { job: jobOf(row), fingerprint: row.fingerprint };
    },
    list: ({ state = null, before = null, limit }) => all(list.all(state, before, limit)),
    open: () => all(open.all()),
    countWaiting: (client) => ((client === undefined ? count.get() : countOf.get(client)) as { n: number }).n,
    begin: (id, now) => (begin.run(now, id).changes > 0 ? one(get.get(id)) : undefined),
    requeue: (id) => void requeue.run(id),
    recover: (attempts, why, now) =>
      db.transaction(() => ({
        failed: giveUp.run(now, why, attempts).changes,
        requeued: requeueAll.run().changes,
      }))(),
    prune: db.transaction(({ endedBefore, keysBefore, most, batch }: PruneQuery) => {
      forgetKeys.run(keysBefore);
      return forget.run(endedBefore, most, batch).changes;
    }),
    uploads() {
      const requests = (withUploads.all() as { request: string }[]).map(
        ({ request }) => JSON.parse(request) as DrawRequest,
      );
      const sources = requests.flatMap(({ image, mask }) => [image, mask]);
      return new Set(sources.flatMap((source) => (source && "upload" in source ? [source.upload] : [])));
    },
    end: (id, state, now, error) => end.run(state, now, error ?? null, id).changes > 0,
  };
}

function jobOf(row: Row): StoredJob {
  const { id, client, state, model, drawn, attempts, retry_of: retryOf, error, created, started, finished } = row;
  const [request, settings] = [JSON.parse(row.request), JSON.parse(row.settings)];
  return { id, client, state, request, settings, model, drawn, attempts, retryOf, error, created, started, finished };
}
