export {
  type ClipCapConfig,
  type ClipConfig,
  type ClipTextConfig,
  clipCapConfig,
  clipConfig,
  clipTextConfig,
  type Gpt2Config,
  gpt2Config,
  type TaesdConfig,
  taesdConfig,
  type UnetConfig,
  unetConfig,
  type VaeConfig,
  vaeConfig,
} from "../configs/index.ts";
export * from "./adapters.ts";
export * from "./autoencoder.ts";
export * from "./clip-cap.ts";
export * from "./clip-text.ts";
export * from "./clip-vision.ts";
export * from "./cross-attention.ts";
export * from "./gpt2.ts";
export * from "./latent-sums.ts";
export * from "./patch-discriminator.ts";
export * from "./taesd.ts";
export * from "./unet.ts";
export * from "./unet-parts.ts";
export * from "./vae.ts";
