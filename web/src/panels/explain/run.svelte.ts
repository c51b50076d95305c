import { untrack } from "svelte";
import type { BackRequest, RunLine, RunRequest } from "../../../../src/server/schema/index.ts";
import { ask } from "./ask.ts";
import { type Floats, floatsOf, sharesOf } from "./numbers.ts";

/** Where the layers of one size look for each word. */
export interface GroupMaps {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly layers: number;
  readonly words: readonly Float32Array[];
}

export interface RunStep {
  readonly call: number;
  readonly calls: number;
  readonly timestep: number;
  readonly sigma: number;
  readonly latents: Floats;
  readonly x0: Floats;
  readonly prediction: Floats;
  readonly cond?: Floats;
  readonly uncond?: Floats;
  readonly maps: readonly GroupMaps[];
}

type Lines<Request> = (request: Request, signal: AbortSignal) => AsyncGenerator<RunLine, void, void>;

/** A picture of one's own that is looked into while it is drawn. */
export class Run {
  words = $state.raw<readonly string[]>([]);
  steps = $state.raw<readonly RunStep[]>([]);
  /** A PNG, as a data URL. */
  picture = $state.raw<string>();
  error = $state.raw<unknown>();
  #stop = $state.raw<AbortController>();
  #asked = "";
  #whole = false;

  get busy(): boolean {
    return this.#stop !== undefined;
  }

  /** Draws this, unless it is what was drawn last. */
  async draw(request: RunRequest): Promise<void> {
    await this.#once(request, ask.run);
  }

  /** Takes noisy latents back to clean ones, unless it is what was done last: steps without a picture. */
  async goBack(request: BackRequest): Promise<void> {
    await this.#once(request, ask.back);
  }

  async #once<Request>(request: Request, lines: Lines<Request>): Promise<void> {
    const asked = JSON.stringify(request);
    if (asked === this.#asked && (untrack(() => this.busy) || this.#whole)) return;
    this.clear();
    this.#asked = asked;
    const own = new AbortController();
    this.#stop = own;
    try {
      for await (const line of lines(request, own.signal)) {
        if (own.signal.aborted) return;
        this.#take(line);
      }
      this.#whole = this.error === undefined;
    } catch (error) {
      if (!own.signal.aborted) this.error = error;
    } finally {
      if (this.#stop === own) this.#stop = undefined;
    }
  }

  stop(): void {
    // An effect that begins a run does not begin another because of that.
    untrack(() => this.#stop?.abort());
    this.#stop = undefined;
  }

  /** Stops, and forgets what was seen. */
  clear(): void {
    this.stop();
    [this.words, this.steps, this.picture, this.error] = [[], [], undefined, undefined];
    [this.#asked, this.#whole] = ["", false];
  }

  #take(line: RunLine): void {
    if (line.type === "words") this.words = line.words;
    else if (line.type === "image") this.picture = line.picture;
    else if (line.type === "failed") this.error = new Error(line.message);
    else this.steps = [...untrack(() => this.steps), stepOf(line)];
  }
}

function stepOf({ latents, x0, prediction, cond, uncond, maps, ...rest }: Extract<RunLine, { type: "step" }>): RunStep {
  return {
    ...rest,
    latents: floatsOf(latents),
    x0: floatsOf(x0),
    prediction: floatsOf(prediction),
    ...(cond && { cond: floatsOf(cond) }),
    ...(uncond && { uncond: floatsOf(uncond) }),
    maps: maps.map(({ words, ...group }) => ({ ...group, words: words.map(sharesOf) })),
  };
}
