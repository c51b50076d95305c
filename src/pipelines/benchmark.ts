import { float32, type Tensor } from "../tensor/index.ts";
import { type LoadOptions, open } from "./inkling.ts";
import type { MachineOptions } from "./opening.ts";
import type { Shortcuts } from "./settings.ts";
import { cutOf, textToImageUnseen } from "./text-to-image.ts";
import type { PartTimes } from "./timing.ts";

export interface BenchmarkOptions extends MachineOptions, Pick<LoadOptions, "convolutions" | "precision" | "weights"> {
  /** What leaves out work. Default: nothing. */
  readonly shortcuts?: Shortcuts;
  /** Pixels of a side. */
  readonly size: number;
  readonly steps: number;
  /** How many of the steps to take. */
  readonly measure: number;
  /** Guidance scale. */
  readonly cfg: number;
  readonly signal?: AbortSignal;
}

export interface BenchmarkReport extends PartTimes {
  /** Seconds. */
  readonly load_s: number;
}

const PROMPT = "a photograph of an astronaut riding a horse on the beach, golden hour";
/** One call of the U-Net a step, whatever the checkpoint's own sampler is. */
const SAMPLER = "DPM++ 2M";
/** The text encoder and the decoder are timed this often: the first time also warms up. */
const REPEATS = 2;

/** Times what a picture is made of: loading, text, each step with its sampler, decoding. */
export async function benchmark(model: string | undefined, options: BenchmarkOptions): Promise<BenchmarkReport> {
  const { size, steps, measure, cfg, shortcuts, signal, ...loading } = options;
  const start = performance.now();
  const tools = await open(model, loading);
  const { networks, facts, runtime } = tools;
  try {
    const picture = { prompt: PROMPT, sampler: SAMPLER, steps, guidance: cfg, width: size, height: size, seed: 0 };
    const settings = tools.resolve({ ...picture, ...shortcuts });
    const latent = { height: size / facts.scale, width: size / facts.scale };
    await networks.prepare(latent, { skip: 0, tiled: settings.tiling, ...cutOf(settings), signal });
    const load_s = since(start);
    const [encode_s, step_s, decode_s]: [number[], number[], number[]] = [[], [], []];

    let latents: Tensor<"float32"> | undefined;
    for (let i = 0; i < REPEATS; i++) {
      let last = performance.now();
      const drawing = { ...facts, networks, tokenizer: tools.tokenizer, signal };
      for await (const event of textToImageUnseen(settings, drawing)) {
        if (event.type === "embeddings") encode_s.push(since(last));
        if (event.type === "step") step_s.push(since(last));
        // To a decoder latents are latents.
        if (event.type === "start") latents = event.noise;
        last = performance.now();
        if (event.type === "embeddings" && i < REPEATS - 1) break;
        if (step_s.length === measure) break;
      }
    }
    for (let i = 0; i < REPEATS; i++) {
      const before = performance.now();
      await networks.decode(float32(latents!.shape, latents!.data), { tiled: settings.tiling, signal });
      decode_s.push(since(before));
    }
    return { steps, load_s, encode_s, step_s, decode_s };
  } finally {
    await runtime.close();
  }
}

const since = (start: number): number => (performance.now() - start) / 1000;
