import { join } from "node:path";
import { resolveModel } from "../../hub/index.ts";
import { type ClipModel, clipModel } from "../../training/index.ts";
import { openClipFolder, readJson, type WeightStore } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { isThere } from "./model.ts";

/** A CLIP with its weights. */
export type StoredClip = ClipModel & { readonly clip: { readonly weights: WeightStore } };

/**
 * A CLIP that is there: by its name or folder, else the embedded one.
 *
 * @throws InputError where it cannot be found, or is damaged
 */
export async function storedClip(name: string | undefined, env: Cli["env"]): Promise<StoredClip> {
  const { path } = await resolveModel(name, env, "clip");
  const { tokenizer, part } = await openClipFolder(path);
  const imageFile = join(path, "preprocessor_config.json");
  const image = (await isThere(imageFile)) ? await readJson(imageFile) : undefined;
  return { ...clipModel({ clip: part, tokenizer, ...(image && { image }) }), clip: part };
}
