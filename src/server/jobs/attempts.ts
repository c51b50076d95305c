import { RuntimeEndedError } from "../../runtime/runtime.ts";
import { InputError } from "../../tensor/index.ts";
import type { JobOrder, Outcome, WorkEvent } from "./queue.ts";

/** Draws one job. Ends with the signal's reason when that fires. */
export type DrawJob = (order: JobOrder, signal: AbortSignal) => AsyncIterable<WorkEvent>;

/** Why a drawing is aborted, and so how it ends. */
export class Halt extends Error {
  override readonly name = "Halt";
  readonly as: "cancelled" | "stopped";
  constructor(as: "cancelled" | "stopped") {
    super(as);
    this.as = as;
  }
}

export interface AttemptsOptions {
  readonly draw: DrawJob;
  /** Told of what is no fault of the request. */
  readonly onError: (error: unknown, id: string) => void;
}

/** How often the process that computes may end under a job before that counts as one that cannot be drawn. */
const MOST_CRASHES = 3;

/** Draws jobs to whatever end. */
export function createAttempts({ draw, onError }: AttemptsOptions) {
  /** How often the process that computes has ended under each job that is to be begun again. */
  const crashes = new Map<string, number>();

  function outcomeOf(error: unknown, id: string, signal: AbortSignal): Outcome {
    if (signal.reason instanceof Halt) return { type: signal.reason.as };
    // Memory may have been short for a moment: the process that computes is started anew.
    if (error instanceof RuntimeEndedError) {
      const count = (crashes.get(id) ?? 0) + 1;
      crashes.set(id, count);
      onError(error, id);
      if (count < MOST_CRASHES) return { type: "stopped" };
    }
    crashes.delete(id);
    if (error instanceof InputError || error instanceof RuntimeEndedError)
      return { type: "failed", message: error.message };
    onError(error, id);
    return { type: "failed", message: "Something went wrong while it was drawn; the server's log says what." };
  }

  /** @param signal aborted with a {@link Halt} */
  return async (order: JobOrder, signal: AbortSignal, told: (event: WorkEvent) => Promise<void>): Promise<Outcome> => {
    try {
      for await (const event of draw(order, signal)) {
        signal.throwIfAborted();
        await told(event);
      }
      crashes.delete(order.id);
      return { type: "done" };
    } catch (error) {
      return outcomeOf(error, order.id, signal);
    }
  };
}
