import { join } from "node:path";
import { type ClipConfig, type ClipImageConfig, clipConfig, clipImageConfig } from "../configs/index.ts";
import { InputError, toFloat32 } from "../tensor/index.ts";
import { readJson, readTensor, statOrUndefined } from "./files.ts";
import { type ModelPart, openPart, readConfig } from "./model-part.ts";
import { readTokenizer, type TokenizerFiles } from "./tokenizer.ts";

/** A whole CLIP, opened: both towers' weights in one part, none of them read. */
export interface ClipFiles {
  readonly part: ModelPart;
  readonly config: ClipConfig;
  readonly image: ClipImageConfig;
  readonly tokenizer: TokenizerFiles;
  /** What cosines are multiplied by before a softmax over texts: e to the power of the learnt `logit_scale`. */
  readonly logitScale: number;
}

/**
 * A folder with a CLIPModel as transformers publishes it: config.json, preprocessor_config.json, the tokenizer, weights.
 *
 * @throws InputError naming the file: missing, damaged, or of another class
 */
export async function openClipFolder(folder: string): Promise<ClipFiles> {
  const network = await readConfig(folder);
  const type = network.config["model_type"];
  if (type !== "clip") {
    throw new InputError(
      `${network.configFile} says that ${folder} holds ${JSON.stringify(type) ?? "no known model"}; comparing pictures ` +
        'with words takes a whole CLIP ("clip"): a text and a vision tower.',
    );
  }
  const config = clipConfig(network.config, network.configFile);
  const part = await openPart(folder, network, {});
  const imageFile = join(folder, "preprocessor_config.json");
  const image = (await statOrUndefined(imageFile)) ? await readJson(imageFile) : {};
  const { weights } = part;
  const scale = weights.get("logit_scale");
  if (!scale || scale.length > 8)
    throw new InputError(`${weights.describe()} has no "logit_scale": it is no whole CLIP.`);
  return {
    part,
    config,
    image: clipImageConfig(image, config.vision.image_size, imageFile),
    tokenizer: await readTokenizer(folder, { vocabSize: config.text.vocab_size }),
    logitScale: Math.exp(toFloat32(await readTensor(scale))[0]!),
  };
}
