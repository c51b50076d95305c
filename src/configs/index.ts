export * from "./clip-cap.ts";
export * from "./clip-text.ts";
export * from "./gpt2.ts";
export { parseConfig } from "./parse.ts";
export * from "./prediction.ts";
export * from "./taesd.ts";
export * from "./unet.ts";
export * from "./vae.ts";
