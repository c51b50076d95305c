export {
  type ClipTextConfig,
  clipTextConfig,
  type TaesdConfig,
  taesdConfig,
  type UnetConfig,
  unetConfig,
  type VaeConfig,
  vaeConfig,
} from "../configs/index.ts";
export * from "./clip-text.ts";
export * from "./taesd.ts";
export * from "./unet.ts";
export * from "./vae.ts";
