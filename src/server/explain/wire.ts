import type { GroupMaps, Plane, RunEvent } from "../../explain/index.ts";
import { encodePicture, type Picture } from "../../image/index.ts";
import { float32, InputError, sizeOf, type Tensor } from "../../tensor/index.ts";
import type { Numbers, RunLine } from "../schema/explain.ts";

/** A tensor as JSON tells it. */
export function numbersOf({ shape, data }: Pick<Tensor<"float32">, "shape" | "data">): Numbers {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { shape: [...shape], data: bytes.toString("base64") };
}

/**
 * And back.
 *
 * @throws InputError where the bytes are not those of the shape, or no finite numbers
 */
export function tensorOf({ shape, data }: Numbers): Tensor<"float32"> {
  const bytes = Buffer.from(data, "base64");
  if (bytes.length !== 4 * sizeOf(shape)) {
    throw new InputError(`Numbers of the shape [${shape}] take ${4 * sizeOf(shape)} bytes; there are ${bytes.length}.`);
  }
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  if (!values.every(Number.isFinite)) throw new InputError("Of the numbers one is not finite.");
  return float32(shape, values);
}

export async function dataUrl(picture: Picture): Promise<string> {
  return `data:image/png;base64,${Buffer.from(await encodePicture(picture, "png")).toString("base64")}`;
}

/** An event of a run as a line of the answer. */
export async function lineOf(event: RunEvent): Promise<RunLine> {
  if (event.type === "words") return { type: "words", words: event.words.map(({ text }) => text) };
  if (event.type === "image") {
    return { type: "image", picture: await dataUrl(event.image), seed: event.settings.seed };
  }
  return stepLine(event);
}

type Step = Extract<RunEvent, { type: "step" }>;

/** A step as a line of the answer; of a walk that was not looked into, without maps. */
export function stepLine(step: Omit<Step, "seen" | "maps"> & Partial<Pick<Step, "maps">>): RunLine {
  const { type, call, calls, timestep, sigma, latents, x0, prediction, cond, uncond, maps = [] } = step;
  return {
    ...{ type, call, calls, timestep, sigma },
    latents: numbersOf(latents),
    x0: numbersOf(x0),
    prediction: numbersOf(prediction),
    ...(cond && { cond: numbersOf(cond) }),
    ...(uncond && { uncond: numbersOf(uncond) }),
    maps: maps.map(mapsOf),
  };
}

function mapsOf({ name, width, height, layers, planes }: GroupMaps) {
  return { name, width, height, layers: layers.length, words: planes.map(sharesOf) };
}

/** In steps of a 255th of the largest. */
function sharesOf({ data }: Plane): { readonly most: number; readonly data: string } {
  const most = data.reduce((largest, x) => Math.max(largest, x), 0);
  const bytes = Uint8Array.from(data, (x) => (most > 0 ? Math.round((255 * x) / most) : 0));
  return { most, data: Buffer.from(bytes).toString("base64") };
}
