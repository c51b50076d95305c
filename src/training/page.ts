/**
 * What learns without files, in a page as in a program of one's own: losses, their gradients, and a trainer whose weights stay
 * with the runtime, on whichever device that computes.
 */
export { type AdamWOptions, adamWDefaults } from "./adamw.ts";
export { type GradientOptions, gradientGraph } from "./gradients.ts";
export { clipTextWeights, clipWeights, gpt2Weights, type ParameterShapes, torchWeights } from "./initial-weights.ts";
export { type LearningRate, learningRateAt } from "./learning-rate.ts";
export { type CaptionerLossConfig, captionerLoss } from "./losses/captioner.ts";
export { clipLoss } from "./losses/clip.ts";
export { type DiffusionLossConfig, type DiffusionLossShape, diffusionLoss } from "./losses/diffusion.ts";
export { gpt2Loss } from "./losses/gpt2.ts";
export { vaeLoss } from "./losses/vae.ts";
export { type Packing, pack, packingOf, unpack } from "./packing.ts";
export {
  type Batch,
  createTrainer,
  type Frozen,
  type StepResult,
  type Trainer,
  type TrainerOptions,
  type TrainerStart,
  type TrainerState,
  type TrainPrecision,
} from "./trainer.ts";
