import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { parseConfig, unetConfig } from "../configs/index.ts";
import { type Checkpoint, readJson } from "../weights/index.ts";
import { autoencoderOf } from "./networks.ts";
import { type PreviewFactors, STABLE_DIFFUSION_FACTORS } from "./preview.ts";

/** What suits a model where nothing was asked for. */
export interface ModelDefaults {
  readonly steps: number;
  readonly guidance: number;
  /** Distilled to few steps, with guidance as an input or without any: other numbers ruin its pictures. */
  readonly fewSteps: boolean;
  readonly sampler: string | undefined;
  readonly schedule: string | undefined;
  readonly width: number;
  readonly height: number;
  /** Sides in pixels that it was trained for; others bring a warning. Empty when unknown. */
  readonly sizes: readonly number[];
  readonly previewFactors: PreviewFactors;
}

const color = z.tuple([z.number(), z.number(), z.number()]);

/** inkling.json, which a checkpoint folder may hold: every key is optional. */
const schema = z.object({
  steps: z.number().int().min(1).max(1000).optional(),
  guidance: z.number().optional(),
  sampler: z.string().optional(),
  schedule: z.string().optional(),
  sizes: z.array(z.number().int().positive()).optional(),
  previewFactors: z.array(color).optional(),
});

/** From the checkpoint's own inkling.json, and where that is silent from what its networks were made for. */
export async function modelDefaults(checkpoint: Checkpoint): Promise<ModelDefaults> {
  const own = checkpoint.layout === "folder" ? await readOwn(join(checkpoint.path, "inkling.json")) : {};
  const { unet, vae, scheduler } = checkpoint;
  const { sample_size: size, time_cond_proj_dim: guidanceInput } = unetConfig(unet.config, unet.configFile);
  const [rows, columns] = typeof size === "object" ? size : [size, size];
  const scale = autoencoderOf(vae).scale;
  return {
    ...suiting(typeof guidanceInput === "number", scheduler),
    sampler: undefined,
    schedule: undefined,
    height: rows * scale,
    width: columns * scale,
    sizes: [],
    previewFactors: STABLE_DIFFUSION_FACTORS,
    ...own,
  };
}

function suiting(
  distilledWithGuidance: boolean,
  scheduler: Checkpoint["scheduler"],
): Pick<ModelDefaults, "steps" | "guidance" | "fewSteps"> {
  // A consistency model takes its guidance as an input and few steps (Luo et al. 2023).
  if (distilledWithGuidance) return { steps: 4, guidance: 8.5, fewSteps: true };
  // Trailing spacing under Euler is how models distilled to run without guidance are published (SD-Turbo).
  const fewSteps =
    scheduler["timestep_spacing"] === "trailing" && scheduler["_class_name"] === "EulerDiscreteScheduler";
  return { ...(fewSteps ? { steps: 4, guidance: 1 } : { steps: 50, guidance: 7.5 }), fewSteps };
}

async function readOwn(path: string): Promise<z.infer<typeof schema>> {
  const there = await stat(path).catch(() => undefined);
  return there ? parseConfig(schema, await readJson(path), path) : {};
}
