import { type PredictionType, predictionTypes } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { readTensor, type SafetensorsFile } from "./files.ts";
import type { JsonObject } from "./json.ts";

export { type PredictionType, predictionTypes };

/** scheduler_config.json with `prediction_type` filled in: the override, else what it says, else epsilon. */
export function withPrediction(scheduler: JsonObject, override: PredictionType | undefined, file: string): JsonObject {
  const said = override ?? scheduler["prediction_type"] ?? "epsilon";
  const known = predictionTypes.find((type) => type === said);
  if (known) return { ...scheduler, prediction_type: known };
  throw new InputError(
    `${file}: "prediction_type" is ${JSON.stringify(said)}. Supported: ${predictionTypes.join(", ")}.`,
  );
}

export interface Guess {
  readonly type: PredictionType;
  /** Why, for people; absent where there was no doubt. */
  readonly reason?: string;
}

/** The step at which the training of SD 2-base was published: how diffusers tells it from the v models. */
const SD2_BASE_STEP = 875_000;

/**
 * What the U-Net of a single file predicts. Files rarely say so; SD 1.x is known to predict the noise, and of SD 2.x
 * diffusers assumes the velocity unless `global_step` is 875000, which is wrong for some: let people override.
 *
 * @param contextWidth width of the text embeddings: 768 SD 1.x, 1024 SD 2.x
 * @param channels of the U-Net's input: 9 for inpainting, published for SD 2 as an epsilon model only
 */
export async function guessPrediction(file: SafetensorsFile, contextWidth: number, channels: number): Promise<Guess> {
  const said = file.metadata.get("modelspec.prediction_type");
  if (said === "v" || said === "epsilon") return { type: said === "v" ? "v_prediction" : said };
  if (file.tensors.has("v_pred")) return { type: "v_prediction" };
  if (contextWidth !== 1024) return { type: "epsilon" };
  if (channels === 9) return { type: "epsilon", reason: "SD 2 inpainting predicts the noise" };
  const step = await globalStep(file);
  return step === SD2_BASE_STEP
    ? { type: "epsilon", reason: `global_step is ${SD2_BASE_STEP}, as in SD 2-base` }
    : { type: "v_prediction", reason: `SD 2 with ${step === undefined ? "no global_step" : `global_step ${step}`}` };
}

async function globalStep(file: SafetensorsFile): Promise<number | undefined> {
  const stored = file.tensors.get("global_step");
  if (stored && stored.length <= 8 && stored.length > 0) return Number((await readTensor(stored)).data[0]);
  const text = file.metadata.get("global_step");
  return text === undefined ? undefined : Number(text);
}
