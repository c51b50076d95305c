import { float32, type Tensor } from "../tensor/index.ts";
import { type LoadOptions, open } from "./inkling.ts";
import type { MachineOptions } from "./opening.ts";
import type { Shortcuts } from "./settings.ts";
import { cutOf, textToImage } from "./text-to-image.ts";

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

/** Times in seconds. */
export interface BenchmarkReport {
  /** Of the whole walk. */
  readonly steps: number;
  readonly load_s: number;
  readonly encode_s: number[];
  readonly step_s: number[];
  readonly decode_s: number[];
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
    const report: BenchmarkReport = { steps, load_s: since(start), encode_s: [], step_s: [], decode_s: [] };

    let latents: Tensor<"float32"> | undefined;
    for (let i = 0; i < REPEATS; i++) {
      let last = performance.now();
      for await (const event of textToImage(settings, { ...facts, networks, tokenizer: tools.tokenizer, signal })) {
        if (event.type === "embeddings") report.encode_s.push(since(last));
        if (event.type === "step") {
          report.step_s.push(since(last));
          latents = event.latents;
        }
        last = performance.now();
        if (event.type === "embeddings" && i < REPEATS - 1) break;
        if (report.step_s.length === measure) break;
      }
    }
    for (let i = 0; i < REPEATS; i++) {
      const before = performance.now();
      await networks.decode(float32(latents!.shape, latents!.data), { tiled: settings.tiling, signal });
      report.decode_s.push(since(before));
    }
    return report;
  } finally {
    await runtime.close();
  }
}

const since = (start: number): number => (performance.now() - start) / 1000;
