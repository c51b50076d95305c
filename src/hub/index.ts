export { cacheFolder, type Environment } from "./cache.ts";
export { type KnownModel, knownModel, MODELS, type ModelKind } from "./models.ts";
export { type ListedModel, listModels, type ResolvedModel, resolveModel } from "./resolve.ts";
