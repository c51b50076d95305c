import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { saveBytes } from "../image/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import { encodeSafetensors, type JsonObject, readTensor, type WeightStore } from "../weights/index.ts";
import { json } from "./checkpoint.ts";
import type { DiffusionModel } from "./diffusion-model.ts";
import type { ParameterShapes } from "./initial-weights.ts";
import { pixelVae } from "./pixel-vae.ts";

/** Learnt values by their names in the loss, "unet.…" and "text_encoder.…", and their shapes. */
export interface Learnt {
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly shapes: ParameterShapes;
}

/**
 * Writes a model as a checkpoint folder in diffusers' layout. What was learnt is written anew each time, each file whole or not
 * at all; what was not is written where it is missing.
 *
 * @throws InputError naming the file that cannot be written
 */
export async function writeModelFolder(folder: string, model: DiffusionModel, learnt: Learnt): Promise<void> {
  const within = async (name: string): Promise<string> => {
    await mkdir(join(folder, name), { recursive: true });
    return join(folder, name);
  };
  const write = async (path: string, pieces: Uint8Array | Iterable<Uint8Array>) =>
    saveBytes(path, pieces, { overwrite: true });
  const unet = await within("unet");
  await write(join(unet, "config.json"), json({ _class_name: "UNet2DConditionModel", ...model.unet.config }));
  await write(join(unet, "diffusion_pytorch_model.safetensors"), encodeSafetensors(tensorsOf(learnt, "unet.")));

  const text = await within("text_encoder");
  await write(join(text, "config.json"), json({ ...CLIP_TEXT, ...model.textEncoder.config }));
  const told = tensorsOf(learnt, "text_encoder.");
  const textFile = join(text, "model.safetensors");
  if (Object.keys(told).length > 0) await write(textFile, encodeSafetensors(told));
  else if (!(await isThere(textFile)))
    await write(textFile, encodeSafetensors(await allOf(model.textEncoder.weights!)));

  const vae = await within("vae");
  await write(join(vae, "config.json"), json(model.vae?.config ?? pixelVae.config));
  const vaeFile = join(vae, "diffusion_pytorch_model.safetensors");
  if (!(await isThere(vaeFile))) {
    await write(vaeFile, encodeSafetensors(model.vae ? await allOf(model.vae.weights) : pixelVae.weights()));
  }

  const tokenizer = await within("tokenizer");
  for (const [name, bytes] of tokenizerFiles(model)) await write(join(tokenizer, name), bytes);
  await write(join(await within("scheduler"), "scheduler_config.json"), json({ ...DDPM, ...model.scheduler }));
  const defaults: JsonObject = { ...(!model.vae && { previewFactors: pixelVae.previewFactors }), ...model.defaults };
  if (Object.keys(defaults).length > 0) await write(join(folder, "inkling.json"), json(defaults));
  // Last: a folder without it is no checkpoint yet.
  await write(join(folder, "model_index.json"), json(indexOf(model)));
}

const CLIP_TEXT = { architectures: ["CLIPTextModel"], model_type: "clip_text_model" };
const DDPM = { _class_name: "DDPMScheduler" };

function indexOf({ scheduler, vae }: DiffusionModel): JsonObject {
  return {
    _class_name: "StableDiffusionPipeline",
    feature_extractor: [null, null],
    image_encoder: [null, null],
    requires_safety_checker: false,
    safety_checker: [null, null],
    scheduler: ["diffusers", scheduler["_class_name"] ?? DDPM._class_name],
    text_encoder: ["transformers", "CLIPTextModel"],
    tokenizer: ["transformers", "CLIPTokenizer"],
    unet: ["diffusers", "UNet2DConditionModel"],
    vae: ["diffusers", (vae?.config ?? (pixelVae.config as JsonObject))["_class_name"] ?? "AutoencoderKL"],
  };
}

function tensorsOf({ weights, shapes }: Learnt, prefix: string): Record<string, Tensor> {
  const own = [...weights].filter(([name]) => name.startsWith(prefix));
  return Object.fromEntries(own.map(([name, data]) => [name.slice(prefix.length), float32(shapes.get(name)!, data)]));
}

/** Weights that did not learn, in the type in which they are stored. */
async function allOf(store: WeightStore): Promise<Record<string, Tensor>> {
  const tensors: Record<string, Tensor> = {};
  for (const name of store.names()) tensors[name] = await readTensor(store.get(name)!);
  return tensors;
}

function* tokenizerFiles({ tokenizer, words }: DiffusionModel): Generator<readonly [string, Uint8Array]> {
  const vocab = Object.fromEntries(Array.from({ length: words.vocabSize }, (_, id) => [words.token(id), id]));
  yield ["vocab.json", json(tokenizer.vocab ?? vocab)];
  yield ["merges.txt", new TextEncoder().encode(tokenizer.merges)];
  yield ["tokenizer_config.json", json({ tokenizer_class: "CLIPTokenizer", ...tokenizer.tokenizerConfig })];
  if (tokenizer.specialTokensMap) yield ["special_tokens_map.json", json(tokenizer.specialTokensMap)];
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
