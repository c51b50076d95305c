import { stat } from "node:fs/promises";
import { join } from "node:path";
import { didYouMean } from "../hub/nearest.ts";
import { adaptableLayers, clipText, clipTextConfig, unet, unetConfig } from "../models/index.ts";
import { InputError } from "../tensor/index.ts";
import { loraTags } from "../text/index.ts";
import { type Checkpoint, openAdapter } from "../weights/index.ts";
import { limits, real } from "./limits.ts";
import type { AppliedAdapter } from "./networks.ts";
import { adapterName } from "./resolve.ts";
import type { GenerateSettings } from "./settings.ts";

/** Where adapters that a prompt names are looked for unless told otherwise. */
export const ADAPTER_FOLDER = "loras";

type Asked = Pick<GenerateSettings, "adapters" | "adapterFolder" | "prompt" | "promptSyntax">;

/**
 * Opens the adapters of the settings and those that the prompt names (`<lora:name:0.8>`: one of the settings' by that name,
 * or a file of the folder), and finds the layers of the checkpoint that they change.
 *
 * @throws InputError for a file that is missing, no adapter, or fits nothing in this model
 */
export async function openAdapters(
  { adapters = [], adapterFolder = ADAPTER_FOLDER, prompt, promptSyntax }: Asked,
  checkpoint: Pick<Checkpoint, "unet" | "textEncoder" | "name">,
  onNote: (line: string) => void,
): Promise<AppliedAdapter[]> {
  const wanted = new Map<string, { file: string; unet: number; text: number }>();
  for (const { file, scale = 1 } of adapters) wanted.set(adapterName(file), { file, unet: scale, text: scale });
  const tags = promptSyntax === "plain" ? [] : loraTags(prompt);
  for (const { name, unet, text } of tags) {
    const file = wanted.get(name)?.file ?? (await findFile(name, adapterFolder, [...wanted.keys()]));
    for (const scale of [unet, text]) real("The scale of an adapter", scale, limits.adapterScale);
    wanted.set(name, { file, unet, text });
  }
  if (wanted.size === 0) return [];
  const paths = layerPaths(checkpoint);
  const opened: AppliedAdapter[] = [];
  for (const { file, ...scales } of wanted.values()) {
    const adapter = await openAdapter(file);
    const [unet, text] = [adapter.layersOf("unet", paths.unet), adapter.layersOf("text_encoder", paths.text)];
    const missing = adapter.size - unet.size - text.size;
    if (missing === adapter.size) {
      throw new InputError(`${file} fits no layer of ${checkpoint.name}: it was made for another model.`);
    }
    if (missing > 0)
      onNote(`${missing} of the ${adapter.size} layers of ${adapter.name} fit nothing in ${checkpoint.name}.`);
    opened.push({ name: adapter.name, path: file, scales, unet, text });
  }
  return opened;
}

/** The layers of both networks; at any size they are the same. */
function layerPaths({ unet: u, textEncoder: t }: Pick<Checkpoint, "unet" | "textEncoder">) {
  return {
    unet: adaptableLayers(unet(unetConfig(u.config, u.configFile), { height: 16, width: 16 })),
    text: adaptableLayers(clipText(clipTextConfig(t.config, t.configFile))),
  };
}

/** A prompt may come from a stranger's picture: it names a file of the folder, nothing beyond. */
async function findFile(name: string, folder: string, known: readonly string[]): Promise<string> {
  const inside = !/[/\\]|^\.+$/.test(name);
  const file = join(folder, `${name}.safetensors`);
  if (inside && (await stat(file).catch(() => undefined))) return file;
  throw new InputError(
    `The prompt asks for the adapter "${name}", and ${folder} holds no ${name}.safetensors${didYouMean(name, known)}. ` +
      "Put it there, or name its file in the settings (--lora).",
  );
}
