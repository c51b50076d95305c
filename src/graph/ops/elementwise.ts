import type { DType, Tensor } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { ONNX_TYPE } from "../onnx-type.ts";
import { broadcast, ShapeError } from "../shape.ts";
import { at, emit, lift } from "./emit.ts";

type Operand = Value | number | Tensor;

function binary(op: string) {
  /** Element by element with NumPy's broadcasting; both operands of one type. */
  return (a: Value, operand: Operand): Value => {
    const b = lift(a, operand);
    if (a.dtype !== b.dtype) throw new ShapeError(`${at(op, a)}: operands are ${a.dtype} and ${b.dtype}.`);
    return emit(op, [a, b], { dtype: a.dtype, shape: broadcast(a.shape, b.shape, at(op, a)) });
  };
}

function unary(op: string) {
  return (x: Value): Value => emit(op, [x], x);
}

export const add = binary("Add");
export const sub = binary("Sub");
export const mul = binary("Mul");
export const div = binary("Div");
export const pow = binary("Pow");

export const neg = unary("Neg");
export const exp = unary("Exp");
export const log = unary("Log");
export const sqrt = unary("Sqrt");
export const sin = unary("Sin");
export const cos = unary("Cos");
export const abs = unary("Abs");
export const sigmoid = unary("Sigmoid");
export const tanh = unary("Tanh");
export const relu = unary("Relu");
export const erf = unary("Erf");
/** −1, 0 or 1. */
export const sign = unary("Sign");

/** x · σ(x) (Elfwing et al. 2018), also called swish. */
export const silu = unary("Silu");

/** x · σ(1.702 x): the approximation of GELU that CLIP was trained with. */
export const quickGelu = unary("QuickGelu");

/** Hendrycks & Gimpel 2016: exact with erf, or the tanh approximation that GPT-2 was trained with. */
export function gelu(x: Value, approximate: "none" | "tanh" = "none"): Value {
  return emit("Gelu", [x], x, { approximate });
}

export function cast(x: Value, dtype: DType): Value {
  if (x.dtype === dtype) return x;
  return emit("Cast", [x], { dtype, shape: x.shape }, { to: ONNX_TYPE[dtype] });
}

/**
 * x, which is not to be rounded to 16 bits where the rest of the graph is (see `inFloat16`), and so what follows from it
 * without weights.
 */
export const inFloat32 = unary("Float32");

/** x, as a constant: no gradient comes back through it. */
export const detach = unary("Detach");

/** 1 where x > 0, else 0. */
export function positive(x: Value): Value {
  return cast(emit("Greater", [x, lift(x, 0)], { dtype: "bool", shape: x.shape }), x.dtype);
}

/** x held between `low` and `high`. */
export function clip(x: Value, low: number, high: number): Value {
  return emit("Clip", [x, lift(x, low), lift(x, high)], x);
}
