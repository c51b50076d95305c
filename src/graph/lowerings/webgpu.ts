import { floats } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import type { Lowering, Lowerings } from "../lower.ts";
import { emit, halfOrWhole, integers } from "../ops/emit.ts";
import {
  add,
  cast,
  causalMask,
  concat,
  exp,
  log,
  matmul,
  max,
  mul,
  neg,
  positive,
  reduceSum,
  reshape,
  shortIds,
  slice,
  softmax,
  split,
  splitHeads,
  sub,
  transpose,
} from "../ops/index.ts";
import { showShape } from "../shape.ts";
import { type AttentionKind, attentionKind } from "./attention-kind.ts";
import { common, attention as fused, groupNorm, instanceNorm } from "./common.ts";
import { gatherGradient } from "./gradients.ts";

/** The one epsilon that the runtime is ever told. */
const EPSILON = 1e-5;

/**
 * The runtime's instance normalisation sums squares in one pass, which loses the digits of a variance that is small
 * beside the mean: taking one value of each group away first leaves the variance as it is and brings the mean near zero
 * (Chan, Golub & LeVeque 1983, shifted data). It sums in float32, whatever it is given: numbers of 16 bits have no digits
 * to lose there, and could only run over by being shifted. And it compiles epsilon into a program that it takes again for
 * another epsilon; in a unit in which the wanted epsilon is the usual one, there is only one.
 */
function normalize(grouped: Value, epsilon: number): Value {
  const centred = grouped.dtype === "float16" ? grouped : sub(grouped, slice(grouped, 2, 0, 1));
  return instanceNorm(epsilon === EPSILON ? centred : mul(centred, Math.sqrt(EPSILON / epsilon)), EPSILON);
}

/** x · weight + bias in one pass: batch normalisation with a mean of 0 and a variance of 1. */
function scale(x: Value, weight: Value, bias: Value): Value {
  const [channels] = weight.shape as [number];
  const each = (value: number) => x.graph.constant(floats(halfOrWhole(x), [channels], Array(channels).fill(value)));
  return emit("BatchNormalization", [x, weight, bias, each(0), each(1)], x, { epsilon: { float: 0 } });
}

/** Bytes that one table of who looks where may take: half of the 128 MiB that every adapter grants a buffer. */
const MAX_SCORES = 1 << 26;
/** What unknown sizes are taken for: both halves of a guided batch, and four rows of words. */
const USUAL_BATCH = 2;
const USUAL_WORDS = 4 * 77;

/** Written out. Queries are taken in pieces whose scores fit into a buffer. */
const written: Lowering = (node, [query, key, value]) => {
  const { heads, causal } = node.attributes as { heads: number; causal: number };
  const shape = node.outputs[0]!.shape;
  const [tokens, channels, words] = [shape[1]!, query!.shape[2] as number, key!.shape[1]!];
  const scale = 1 / Math.sqrt(channels / heads);
  const keys = transpose(splitHeads(key!, heads), [0, 1, 3, 2]);
  const values = splitHeads(value!, heads);
  const look = (queries: Value, first: number): Value => {
    const scores = matmul(splitHeads(mul(queries, scale), heads), keys);
    const seen = causal
      ? add(scores, causalMask(scores.graph, scores.shape[2] as number, words as number, first))
      : scores;
    const found = transpose(matmul(softmax(seen), values), [0, 2, 1, 3]);
    return reshape(found, [shape[0]!, queries.shape[1]!, shape[2]!]);
  };
  if (typeof tokens === "string") return look(query!, 0);
  const row = 4 * USUAL_BATCH * heads * (typeof words === "number" ? words : USUAL_WORDS);
  const rows = Math.max(1, Math.floor(MAX_SCORES / row));
  if (tokens <= rows) return look(query!, 0);
  const lengths = Array.from({ length: Math.ceil(tokens / rows) }, (_, i) => Math.min(rows, tokens - i * rows));
  return concat(
    split(query!, lengths, 1).map((queries, i) => look(queries, i * rows)),
    1,
  );
};

/**
 * By the runtime's own attention, which never writes the scores down, where that comes out right: on adapters whose
 * subgroups hold four lanes, the software adapter among them, it counts keys twice.
 *
 * @param right whether it does for heads of a width
 */
const attention =
  (right: (about: AttentionKind) => boolean): Lowering =>
  (node, inputs) => {
    const kind = attentionKind(node);
    return kind && right(kind) ? fused(node, inputs) : written(node, inputs);
  };

/**
 * The runtime's convolution mixes up channels when their number divides by three but not by four, three itself aside
 * (inpainting has nine). Channels of zeros make it divide by four.
 */
const conv: Lowering = (node, [x, weight, bias]) => {
  const channels = x!.shape[1] as number;
  const spare = channels % 3 === 0 && channels !== 3 ? (4 - (channels % 4)) % 4 : 0;
  const widened = (v: Value): Value => {
    const pads = integers(v.graph, [0, 0, 0, 0, 0, spare, 0, 0]);
    const shape = v.shape.map((dim, axis) => (axis === 1 ? channels + spare : dim));
    return emit("Pad", [v, pads], { dtype: v.dtype, shape });
  };
  const inputs = spare ? [widened(x!), widened(weight!), bias] : [x, weight, bias];
  return emit("Conv", inputs, node.outputs[0]!, node.attributes);
};

/** 2π as three numbers whose products with small integers are exact in float32 (Cody & Waite 1980). */
const TURN = [6.28125, 0.0019350051879882812, 3.019916050561733e-7] as const;

/** Terms of the Taylor series: enough for half a turn in float32. */
const TERMS = 10;

/**
 * Sine and cosine to a few units of the last place. Hardware promises three digits, and fewer for large angles; the
 * timesteps of a U-Net need all of them.
 */
const wave =
  (first: 0 | 1): Lowering =>
  (_, [x]) => {
    const turns = emit("Floor", [add(mul(x!, 1 / (2 * Math.PI)), 0.5)], x!);
    const angle = TURN.reduce((rest, part) => sub(rest, mul(turns, part)), x!);
    const square = mul(angle, angle);
    // Horner's scheme from the smallest term on.
    const [smallest, ...others] = coefficients(first);
    const series = others.reduce<Value | number>((sum, coefficient) => add(mul(square, sum), coefficient), smallest!);
    return first ? mul(angle, series) : (series as Value);
  };

/** Of the series of the cosine, or of sin x / x, in x²: ±1/n!, the smallest first. */
function coefficients(first: 0 | 1): number[] {
  const all = [1];
  for (let n = 2 + first; all.length <= TERMS; n += 2) all.unshift(-all[0]! / (n * (n - 1)));
  return all;
}

/** The runtime's own fails where an operand that is no single number is copied along the last axis: both come in full. */
const power: Lowering = ({ outputs: [type] }, [a, b]) => {
  const shape = type!.shape;
  const whole = (x: Value): Value =>
    x.shape.length === 0 || showShape(x.shape) === showShape(shape) || !shape.every((dim) => typeof dim === "number")
      ? x
      : emit("Expand", [x, integers(x.graph, shape as number[])], type!);
  return emit("Pow", [whole(a!), whole(b!)], type!);
};

/** The largest is taken away first, so that no exponential runs over. */
const logSoftmax: Lowering = (_, [x]) => {
  const below = sub(x!, reshape(max(x!), x!.shape.with(-1, 1)));
  return sub(below, log(reduceSum(exp(below), [-1])));
};

/** @param attends where the runtime's own attention comes out right. Default: nowhere */
export function webgpuWith(attends: (about: AttentionKind) => boolean = () => false): Lowerings {
  return {
    ...common,
    GatherGradient: gatherGradient((ids, rows) => cast(shortIds(ids, rows), "int64")),
    GroupNorm: groupNorm(normalize, scale),
    Attention: attention(attends),
    Conv: conv,
    Pow: power,
    Sign: (_, [x]) => sub(positive(x!), positive(neg(x!))),
    LogSoftmax: logSoftmax,
    Sin: wave(1),
    Cos: wave(0),
  };
}

export const webgpu: Lowerings = webgpuWith();
