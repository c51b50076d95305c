/**
 * Inkling: text to image on the user's own machine.
 *
 * ```ts
 * const inkling = await load();
 * const { images } = await inkling.generate({ prompt: "a lady with blue eyes", seed: 42 });
 * await images[0].save("lady.png");
 * ```
 */

export { type Picture, type PictureSource, type ReadOptions, readPicture } from "./image/index.ts";
export * from "./pipelines/index.ts";
export { InputError, type Tensor } from "./tensor/index.ts";
