import type { Lowerings } from "../lower.ts";
import { common } from "./common.ts";
import { cpu } from "./cpu.ts";
import { webgpu } from "./webgpu.ts";

/** How each device wants its graphs written. */
export const lowerings = {
  cpu,
  cuda: common,
  webgpu,
} as const satisfies Record<string, Lowerings>;
