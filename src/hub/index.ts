export { cacheFolder, type Environment } from "./cache.ts";
export { EMBEDDED, type KnownModel, MODELS } from "./models.ts";
export { type ListedModel, listModels, type ResolvedModel, resolveModel } from "./resolve.ts";
