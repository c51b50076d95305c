/** Which checkpoints of the fixtures a suite takes, by what they are and never by their names. */
import { exists, list, path, readJson, readTensors } from "./fixtures.ts";

export interface FixtureCheckpoint {
  readonly name: string;
  /** Its absolute path. */
  readonly folder: string;
}

/** Weight files as most checkpoint folders have them. */
export const UNET = "unet/diffusion_pytorch_model.safetensors";
export const VAE = "vae/diffusion_pytorch_model.safetensors";
export const TEXT = "text_encoder/model.safetensors";

/** Draws from a text alone, in float32, each network in one file. */
function isPlain(name: string): boolean {
  if (![UNET, VAE, TEXT].every((file) => exists("checkpoints", name, file))) return false;
  const unet = readJson<Record<string, unknown>>("checkpoints", name, "unet", "config.json");
  if (unet["in_channels"] !== 4 || typeof unet["time_cond_proj_dim"] === "number") return false;
  return [...readTensors("checkpoints", name, UNET).values()].every(({ dtype }) => dtype === "float32");
}

const plain = list("checkpoints").find(isPlain);
if (plain === undefined)
  throw new Error(`${path("checkpoints")} holds no checkpoint that draws from a text in float32.`);

/** The first checkpoint that draws from a text with a plain U-Net. */
export const plainCheckpoint: FixtureCheckpoint = { name: plain, folder: path("checkpoints", plain) };
