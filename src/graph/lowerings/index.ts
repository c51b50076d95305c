import type { Lowerings } from "../lower.ts";
import { common } from "./common.ts";
import { cpu } from "./cpu.ts";

/** How each device wants its graphs written. */
export const lowerings = {
  cpu,
  cuda: common,
  webgpu: common,
} as const satisfies Record<string, Lowerings>;
