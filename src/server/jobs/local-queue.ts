import { InputError } from "../../tensor/index.ts";
import { createFairLine } from "./fair-line.ts";
import type { Clerk, JobOrder, JobQueue, Outcome, WorkEvent } from "./queue.ts";

/** Draws one job. Ends with the signal's reason when that fires. */
export type DrawJob = (order: JobOrder, signal: AbortSignal) => AsyncIterable<WorkEvent>;

export interface LocalQueueOptions {
  readonly draw: DrawJob;
  /** Told of what is no fault of the request. */
  readonly onError: (error: unknown, id: string) => void;
}

interface Running {
  readonly id: string;
  readonly controller: AbortController;
  /** Why it is aborted. */
  stopAs?: "cancelled" | "stopped";
}

/** A queue in this process: one job at a time, clients in turns. */
export function createLocalQueue({ draw, onError }: LocalQueueOptions): JobQueue {
  const line = createFairLine();
  let running: Running | undefined;
  let closing = false;
  let wake = (): void => {};
  let working: Promise<void> | undefined;

  async function work(clerk: Clerk): Promise<void> {
    while (!closing) {
      const id = line.next();
      if (id === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      const job: Running = { id, controller: new AbortController() };
      running = job;
      try {
        const order = await clerk.begin(id);
        clerk.moved();
        if (order) await clerk.end(id, await run(order, job, clerk));
      } catch (error) {
        // The books cannot be kept: a full disk, say. The job stays as it is stored, and is begun again with the next start.
        onError(error, id);
      } finally {
        running = undefined;
      }
    }
  }

  async function run(order: JobOrder, job: Running, clerk: Clerk): Promise<Outcome> {
    const { signal } = job.controller;
    try {
      for await (const event of draw(order, signal)) {
        signal.throwIfAborted();
        await clerk.told(order.id, event);
      }
      return { type: "done" };
    } catch (error) {
      if (job.stopAs) return { type: job.stopAs };
      if (error instanceof InputError) return { type: "failed", message: error.message };
      onError(error, order.id);
      return { type: "failed", message: "Something went wrong while it was drawn; the server's log says what." };
    }
  }

  const stop = (as: "cancelled" | "stopped"): void => {
    if (!running) return;
    running.stopAs ??= as;
    running.controller.abort();
  };

  return {
    start(clerk) {
      working ??= work(clerk);
    },
    async add({ id, client }) {
      if (running?.id === id) return;
      line.add(client, id);
      wake();
    },
    async cancel(id) {
      if (line.remove(id)) return true;
      if (running?.id !== id) return false;
      stop("cancelled");
      return true;
    },
    waiting: () => line.order(),
    running: () => (running ? [running.id] : []),
    async close(graceSeconds) {
      closing = true;
      wake();
      const timer = setTimeout(() => stop("stopped"), 1000 * graceSeconds);
      await working;
      clearTimeout(timer);
    },
  };
}
