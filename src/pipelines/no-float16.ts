import { InputError } from "../tensor/index.ts";

/** 16-bit floats were asked for on a device without them. */
export function noFloat16(device: string, instead: string): InputError {
  const why =
    device === "webgpu"
      ? "The WebGPU adapter, if there is one, has no 16-bit floats to compute in"
      : `Only webgpu computes in 16-bit floats, not ${device}`;
  return new InputError(`${why}: take ${instead}.`);
}
