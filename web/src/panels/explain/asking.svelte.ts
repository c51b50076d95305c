import { untrack } from "svelte";
import { studio } from "../../studio.ts";

/** Asks for one thing at a time: a newer question ends the older one, and what goes wrong is told at the page's edge. */
export class Asking {
  #stop = $state.raw<AbortController>();
  readonly #told = studio().toasts;

  get busy(): boolean {
    return this.#stop !== undefined;
  }

  async ask(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.stop();
    const own = new AbortController();
    this.#stop = own;
    try {
      await work(own.signal);
    } catch (error) {
      if (!own.signal.aborted) this.#told.error(error);
    } finally {
      if (this.#stop === own) this.#stop = undefined;
    }
  }

  stop(): void {
    // An effect that asks does not ask again because of that.
    untrack(() => this.#stop?.abort());
    this.#stop = undefined;
  }
}
