import type { Picture } from "../../../../src/image/picture.ts";
import { ask } from "./ask.ts";
import { Asking } from "./asking.svelte.ts";
import { type Floats, numbersOf } from "./numbers.ts";
import { pictureFrom } from "./pictures.ts";

/** Milliseconds for which a slider has to rest before its picture is asked for. */
const REST = 150;

/** The decoder's picture of latents that change under a slider: of those that stayed a moment. */
export class Decoded {
  picture = $state.raw<Picture>();
  readonly #asking = new Asking();
  readonly #known = new WeakMap<Floats, Picture>();

  get busy(): boolean {
    return this.#asking.busy;
  }

  async show(latents: Floats, model: string | undefined): Promise<void> {
    const known = this.#known.get(latents);
    if (known) {
      this.#asking.stop();
      this.picture = known;
      return;
    }
    await this.#asking.ask(async (signal) => {
      await new Promise((done) => setTimeout(done, REST));
      signal.throwIfAborted();
      const url = URL.createObjectURL(await ask.decode({ latents: numbersOf(latents), model }, signal));
      try {
        const picture = await pictureFrom(url);
        this.#known.set(latents, picture);
        if (!signal.aborted) this.picture = picture;
      } finally {
        URL.revokeObjectURL(url);
      }
    });
  }

  stop(): void {
    this.#asking.stop();
  }
}
