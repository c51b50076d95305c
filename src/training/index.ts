export { adamW, adamWScalars, clipFactor } from "./adamw.ts";
export { type CaptionerLessonOptions, type CaptionerParts, captionerLesson } from "./captioner-lesson.ts";
export { type Checkpoint, listCheckpoints, type Progress, readCheckpoint } from "./checkpoint.ts";
export { type ClipLessonOptions, type ClipModel, type ClipParts, clipLesson, clipModel } from "./clip-lesson.ts";
export { groupOver, type Post } from "./collectives.ts";
export {
  type CacheOptions,
  cached,
  type Encoded,
  type Kept,
  openCache,
  remembered,
  type TensorCache,
} from "./data/cache.ts";
export {
  type Attributes,
  type Chance,
  type Dataset,
  type Example,
  type GeneratorOptions,
  isSkipped,
  type Places,
  type Skipped,
  type Visit,
} from "./data/dataset.ts";
export { type DrawingKind, type DrawingsOptions, drawingKinds, openDrawings } from "./data/drawings/drawings.ts";
export { type Fit, fitted } from "./data/fit.ts";
export { type FilesOptions, openFolder } from "./data/folder.ts";
export { named } from "./data/named.ts";
export { type DatasetOptions, generatorNames, openDataset } from "./data/open.ts";
export { judgeShape, type ShapeVerdict } from "./data/shape-judge.ts";
export {
  type ShapePair,
  type ShapesOptions,
  type ShapeTruth,
  shapeBackgrounds,
  shapeCaption,
  shapeColors,
  shapePairs,
  shapes,
} from "./data/shapes.ts";
export { captionTexts, type Text, textsOf } from "./data/texts.ts";
export { packedRows, rowBatch, type TokenRow, textRows, tokensOf } from "./data/token-rows.ts";
export { order, type Stop, type WalkOptions, walk } from "./data/walk.ts";
export { openWebDataset } from "./data/web-dataset.ts";
export type { DiffusionBatchOptions } from "./diffusion-batches.ts";
export { type DiffusionLessonOptions, diffusionLesson } from "./diffusion-lesson.ts";
export { type DiffusionModel, type DiffusionParts, diffusionModel } from "./diffusion-model.ts";
export { createEventFile, type EventFile, type LoggedPicture } from "./event-file.ts";
export * from "./events.ts";
export { lockFolder } from "./folder-lock.ts";
export { type Gpt2LessonOptions, type Gpt2Model, type Gpt2Parts, gpt2Lesson, gpt2Model } from "./gpt2-lesson.ts";
export { alone, type Group } from "./group.ts";
export { discriminatorWeights } from "./initial-weights.ts";
export { type InversionLessonOptions, inversionLesson } from "./inversion-lesson.ts";
export type { Lesson } from "./lesson.ts";
export {
  type AdapterFormat,
  adapterFormats,
  type Distance,
  distances,
  type LearningRateSchedule,
  type LoraTarget,
  learningRateSchedules,
  loraTargets,
  trainLimits,
} from "./limits.ts";
export { train } from "./loop.ts";
export { type LoraLessonOptions, loraLesson } from "./lora-lesson.ts";
export * from "./page.ts";
export { type Pair, pairs, withPrior } from "./prior.ts";
export { type LoggedScalars, readScalars } from "./read-event-files.ts";
export {
  type CommonRecipe,
  checkRecipe,
  type RecipeKind,
  type RecipeOf,
  type WholeCommonRecipe,
  type WholeRecipe,
} from "./recipe.ts";
export { captionerRecipe } from "./recipes/captioner.ts";
export { clipRecipe } from "./recipes/clip.ts";
export { diffusionRecipe } from "./recipes/diffusion.ts";
export { gpt2Recipe } from "./recipes/gpt2.ts";
export { fullRecipe, inversionRecipe, loraRecipe } from "./recipes/tune.ts";
export { vaeRecipe } from "./recipes/vae.ts";
export { reconstructed } from "./reconstruction.ts";
export { openRedisPost, type RedisPost, type RedisPostOptions } from "./redis-post.ts";
export { type RedisServer, startRedisServer } from "./redis-server.ts";
export { scalingFactorOf } from "./scaling-factor.ts";
export type { TrainSettings } from "./settings.ts";
export type { Draws } from "./share.ts";
export { checkStaged, REFERENCE, type StagedRecipe, type StageKind } from "./staged-recipe.ts";
export { type VaeLessonOptions, type VaeModel, type VaeParts, vaeLesson, vaeModel } from "./vae-lesson.ts";
