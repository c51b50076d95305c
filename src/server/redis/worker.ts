import { setTimeout as sleep } from "node:timers/promises";
import { type Job as BullJob, WaitingError, Worker } from "bullmq";
import type { Logger } from "pino";
import { createAttempts, type DrawJob, Halt } from "../jobs/attempts.ts";
import type { Outcome, WorkEvent } from "../jobs/queue.ts";
import { type RedisPlace, withoutCommand } from "./connect.ts";
import {
  type Passing,
  type PassingEvent,
  placesOf,
  QUEUE,
  type Report,
  receivedOrder,
  type SentOrder,
  sendReport,
  type Wish,
} from "./wire.ts";

export interface QueueWorkerOptions {
  readonly draw: DrawJob;
  /** Seconds without a sign of life after which a job is given to another worker. */
  readonly lease: number;
  readonly log: Logger;
}

export interface QueueWorker {
  /** Takes no more. What is drawn may go on for so many seconds, and is then put back. */
  close(graceSeconds: number): Promise<void>;
}

/** Milliseconds between two looks at what the server wants. */
const ASK = 500;
/** How often BullMQ gives a job away again. The server counts all attempts; this is for a job that kills workers while it is away. */
const MOST_STALLED = 20;
/** Seconds that Redis may take for the last words of a worker that ends. */
const LAST_WORDS = 5;

/** The job that is drawn here. */
interface Hand {
  readonly bullId: string;
  readonly controller: AbortController;
  /** It was given to another worker: nothing more is to be said of it. */
  lost: boolean;
  previews: boolean;
}

/** Takes jobs out of BullMQ's queue one by one, and tells their servers what becomes of them. */
export function startQueueWorker(redis: RedisPlace, { draw, lease, log }: QueueWorkerOptions): QueueWorker {
  const { client } = redis;
  const attempt = createAttempts({
    draw,
    onError: (err, job) => log.error({ err: withoutCommand(err), job }, "a job failed"),
  });
  let hand: Hand | undefined;

  async function work(job: BullJob<SentOrder>, token = ""): Promise<void> {
    const places = placesOf(job.data.server);
    let order = receivedOrder(job.data, typeof job.progress === "number" ? job.progress : 0);
    const held: Hand = { bullId: job.id!, controller: new AbortController(), lost: false, previews: false };
    const { signal } = held.controller;
    const named = { job: order.id, worker: token };

    const report = async (event: Report["event"]): Promise<void> => {
      if (!held.lost) await sendReport(client, places.reports, { ...named, event });
    };
    const pass = ({ makePreview, ...event }: PassingEvent & { makePreview?: () => string }): void => {
      // Nobody needs to know later where it was.
      if (client.status !== "ready" || held.lost) return;
      const preview = held.previews ? makePreview?.() : undefined;
      const told: Passing = { ...named, event, ...(preview && { preview }) };
      client.publish(places.passing, JSON.stringify(told)).catch(() => {});
    };
    const tell = async (event: WorkEvent): Promise<void> => {
      if (event.type === "step" || event.type === "decode") return pass(event);
      await report(event);
      if (event.type !== "picture") return;
      order = { ...order, drawn: Math.max(order.drawn, event.index + 1) };
      // Saves the next drawer this picture, no more than that.
      await job.updateProgress(order.drawn).catch(() => {});
    };
    const ask = async (): Promise<void> => {
      const wish = (await client.get(places.wish(order.id))) as Wish | null;
      held.previews = wish === "preview";
      if (wish === "cancel") held.controller.abort(new Halt("cancelled"));
    };

    hand = held;
    const start = performance.now();
    await ask();
    const asking = repeat(ask, ASK);
    let outcome: Outcome = { type: "cancelled" };
    try {
      while (!signal.aborted) {
        await report({ type: "begun" });
        outcome = await attempt(order, signal, tell);
        if (outcome.type !== "stopped") break;
      }
      await report({ type: "ended", outcome });
    } finally {
      asking.stop();
      hand = undefined;
    }
    const seconds = (performance.now() - start) / 1000;
    log.info({ job: order.id, outcome: held.lost ? "lost" : outcome.type, seconds }, "ended");
    if (!held.lost && outcome.type !== "stopped") return;
    if (!held.lost) await job.moveToWait(token);
    // To BullMQ this says that the job is in other hands by now.
    throw new WaitingError();
  }

  const worker = new Worker<SentOrder>(QUEUE.name, work, {
    connection: client as never,
    prefix: QUEUE.prefix,
    lockDuration: 1000 * lease,
    stalledInterval: 500 * lease,
    maxStalledCount: MOST_STALLED,
    runRetryDelay: 1000,
  });
  worker.on("lockRenewalFailed", (ids) => {
    if (!hand || !ids.includes(hand.bullId)) return;
    hand.lost = true;
    hand.controller.abort(new Halt("stopped"));
  });
  worker.on("error", ({ message }) => {
    // That Redis is away has been said.
    if (client.status === "ready") log.warn({ message }, "BullMQ");
  });

  return {
    async close(graceSeconds) {
      const timer = setTimeout(() => hand?.controller.abort(new Halt("stopped")), 1000 * graceSeconds);
      const patience = sleep(1000 * (graceSeconds + LAST_WORDS), undefined, { ref: false });
      await Promise.race([worker.close(), patience]);
      clearTimeout(timer);
      redis.close();
    },
  };
}

/** Does it every so many milliseconds, and never twice at once. */
function repeat(work: () => Promise<void>, milliseconds: number): { stop(): void } {
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    work()
      .catch(() => {})
      .finally(() => {
        busy = false;
      });
  }, milliseconds);
  return { stop: () => clearInterval(timer) };
}
