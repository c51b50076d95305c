export { type AdaptedPart, type Adapter, openAdapter } from "./adapters.ts";
export { type CaptionerFiles, openCaptionerFolder } from "./captioner.ts";
export { checkWeights } from "./check.ts";
export * from "./checkpoint.ts";
export { type ClipFiles, openClipFolder } from "./clip.ts";
export {
  encodeSafetensors,
  readJson,
  readSafetensors,
  readTensor,
  type SafetensorsFile,
  writeSafetensors,
} from "./files.ts";
export type { JsonObject } from "./json.ts";
export { type LoraLayer, loraTensors } from "./lora-file.ts";
export { type ModelPart, type NetworkConfig, openModelPart, type PartOptions } from "./model-part.ts";
export { findNonFinite, type NonFinite } from "./non-finite.ts";
export { type PredictionType, predictionTypes } from "./prediction.ts";
export { openPseudoWord, type PseudoWordLimits, type StoredPseudoWord } from "./pseudo-word.ts";
export { readWeight } from "./read-weight.ts";
export { openShardedWeights, openWeightFile, storeOf, type WeightStore } from "./store.ts";
export { readTokenizer, type TokenizerFiles } from "./tokenizer.ts";
