import { RuntimeEndedError } from "../../runtime/runtime.ts";
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

/** How often the process that computes may end under a job before that counts as one that cannot be drawn. */
const MOST_CRASHES = 3;

interface Running {
  readonly id: string;
  readonly controller: AbortController;
  /** Why it is aborted. */
  stopAs?: "cancelled" | "stopped";
}

/** A queue in this process: one job at a time, clients in turns. */
export function createLocalQueue({ draw, onError }: LocalQueueOptions): JobQueue {
  const line = createFairLine();
  /** How often the process that computes has ended under each job that is to be begun again. */
  const crashes = new Map<string, number>();
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
        if (!order) continue;
        const outcome = await run(order, job, clerk);
        await clerk.end(id, outcome);
        if (outcome.type === "stopped") line.add(order.client, id);
        else crashes.delete(id);
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
      // Memory may have been short for a moment: the process that computes is started anew.
      if (error instanceof RuntimeEndedError) {
        const count = (crashes.get(order.id) ?? 0) + 1;
        crashes.set(order.id, count);
        onError(error, order.id);
        if (count < MOST_CRASHES) return { type: "stopped" };
      }
      if (error instanceof InputError || error instanceof RuntimeEndedError)
        return { type: "failed", message: error.message };
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
