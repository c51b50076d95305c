export { type AdamWOptions, adamW, adamWDefaults, adamWScalars, clipFactor } from "./adamw.ts";
export { gradientGraph } from "./gradients.ts";
export { clipLoss } from "./losses/clip.ts";
export { diffusionLoss } from "./losses/diffusion.ts";
export { gpt2Loss } from "./losses/gpt2.ts";
export { vaeLoss } from "./losses/vae.ts";
export { type Packing, pack, packingOf, unpack } from "./packing.ts";
export { createTrainer, type StepResult, type Trainer, type TrainerOptions } from "./trainer.ts";
