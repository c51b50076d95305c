import type { Lowering, Lowerings } from "../lower.ts";
import { emit } from "../ops/emit.ts";
import { common } from "./common.ts";

/** x · σ(αx) in one pass over memory. */
const sigmoidGate =
  (alpha: number): Lowering =>
  (_, [x]) =>
    emit("com.microsoft.QuickGelu", [x], x!, { alpha: { float: alpha } });

export const cpu: Lowerings = { ...common, Silu: sigmoidGate(1), QuickGelu: sigmoidGate(1.702) };
