import { type AttemptsOptions, createAttempts, Halt } from "./attempts.ts";
import { createFairLine } from "./fair-line.ts";
import type { Clerk, JobQueue } from "./queue.ts";

/** What every queue is made with. */
export interface QueueOptions extends AttemptsOptions {
  /** What the data folder is called by. */
  readonly server: string;
}

interface Running {
  readonly id: string;
  readonly controller: AbortController;
}

/** A queue in this process: one job at a time, clients in turns. */
export function createLocalQueue(options: AttemptsOptions): JobQueue {
  const line = createFairLine();
  const attempt = createAttempts(options);
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
        const order = await clerk.order(id);
        const begun = order !== undefined && clerk.begin(id);
        clerk.moved();
        if (!begun) continue;
        const outcome = await attempt(order, job.controller.signal, (event) => clerk.told(id, event));
        clerk.end(id, outcome);
        if (outcome.type === "stopped") line.add(order.client, id);
      } catch (error) {
        // The books cannot be kept: a full disk, say. The job stays as it is stored, and is begun again with the next start.
        options.onError(error, id);
      } finally {
        running = undefined;
      }
    }
  }

  const stop = (as: Halt["as"]): void => running?.controller.abort(new Halt(as));

  return {
    outlives: false,
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
