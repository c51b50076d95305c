export {
  type ClipCapConfig,
  type ClipTextConfig,
  clipCapConfig,
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
export * from "./clip-cap.ts";
export * from "./clip-text.ts";
export * from "./gpt2.ts";
export * from "./taesd.ts";
export * from "./unet.ts";
export * from "./vae.ts";
