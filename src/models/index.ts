export * from "./clip-text.ts";
export { parseConfig } from "./config.ts";
export * from "./taesd.ts";
export * from "./unet.ts";
export * from "./vae.ts";
