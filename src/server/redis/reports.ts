import { setTimeout as sleep } from "node:timers/promises";
import type { RedisPlace } from "./connect.ts";
import { type Report, readReport, sendReport } from "./wire.ts";

export interface ReportReader {
  /** Resolves when all that was reported before this call has been handled, or nothing is any more. */
  caughtUp(): Promise<void>;
  /** Resolves when nothing more is handled. */
  stop(): Promise<void>;
}

/** Milliseconds after which a report that could not be handled is taken up again. */
const PAUSE = 1000;
/** Seconds that an empty stream is waited at in one go. */
const WAIT = 5;

type Entries = [id: Buffer, fields: Buffer[]][];

/**
 * Handles reports one after the other. One is deleted when it was handled, so that all which Redis still has when this process begins
 * are to be handled, some perhaps once more.
 */
export function readReports(
  redis: RedisPlace,
  stream: string,
  handle: (report: Report) => Promise<void>,
  onError: (error: unknown, job: string) => void,
): ReportReader {
  const connection = redis.another();
  const marks = new Map<string, () => void>();
  let marked = 0;
  let stopped = false;

  async function read(): Promise<Entries> {
    try {
      const found = await connection.xreadBuffer("COUNT", 4, "BLOCK", 1000 * WAIT, "STREAMS", stream, "0");
      return (found as [Buffer, Entries][] | null)?.[0]?.[1] ?? [];
    } catch (error) {
      if (!stopped) {
        onError(error, stream);
        await sleep(PAUSE);
      }
      return [];
    }
  }

  async function take(fields: readonly Buffer[]): Promise<void> {
    let report: Report;
    try {
      report = readReport(fields);
    } catch (error) {
      return onError(error, stream);
    }
    const { worker, event, job } = report;
    if (event.type === "mark") return marks.get(worker)?.();
    for (; !stopped; await sleep(PAUSE)) {
      try {
        return await handle(report);
      } catch (error) {
        // The disk is full, say: nothing that follows may overtake it.
        onError(error, job);
      }
    }
  }

  async function work(): Promise<void> {
    while (!stopped) {
      for (const [id, fields] of await read()) {
        await take(fields);
        if (stopped) return;
        await connection.xdel(stream, id).catch(() => {});
      }
    }
  }

  const working = work();
  return {
    async caughtUp() {
      const mark = `mark ${++marked} of ${process.pid}`;
      const reached = new Promise<void>((resolve) => marks.set(mark, resolve));
      await sendReport(redis.client, stream, { job: "", worker: mark, event: { type: "mark" } });
      await reached;
      marks.delete(mark);
    },
    async stop() {
      stopped = true;
      connection.disconnect();
      await working;
      for (const reached of marks.values()) reached();
    },
  };
}
