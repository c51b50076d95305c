import { zeros } from "../../tensor/index.ts";
import type { Value } from "../graph.ts";
import { add, div, mul, reduceMean, reduceSum, reshape, sqrt, sub } from "../ops/index.ts";
import { type Dim, fixed } from "../shape.ts";

/** Where the channels are: [B, C, …] or [B, …, C]. */
export type ChannelAxis = 1 | -1;

export interface GroupNormAttributes {
  readonly groups: number;
  readonly epsilon: { readonly float: number };
}

/** What groups of channels have in common. */
export interface Centred {
  /** x less the mean of its group. */
  readonly centred: Value;
  /** √(variance + ε), [B, groups, 1]. */
  readonly deviation: Value;
}

/** The mean of each row of the picture first, then that of the group from them: so sums of a hundred thousand keep their digits. */
export function centre(x: Value, { groups, epsilon }: GroupNormAttributes, axis: ChannelAxis): Centred {
  const { inGroups, beside, rows } = placesOf(x, groups, axis);
  const meanOf = (v: Value) => reduceMean(inGroups(rows.reduceRight((mean, row) => reduceMean(mean, [row]), v)), [2]);
  const centred = sub(x, beside(meanOf(x)));
  const variance = meanOf(mul(centred, centred));
  return { centred, deviation: sqrt(add(variance, epsilon.float)) };
}

/** centred / deviation · weight + bias of [B, …, C], weight and bias [C]. */
export function scaled({ centred, deviation }: Centred, weight: Value, bias: Value, groups: number): Value {
  const { beside, ofGroups } = placesOf(centred, groups, -1);
  return add(mul(centred, beside(div(ofGroups(weight), deviation))), bias);
}

/**
 * The gradients of x, weight and bias. With u = centred / deviation and h = weight · g, that of x is
 * (h − mean(h) − u · mean(h · u)) / deviation, the means over a group (Wu & He 2018): both follow from sums over the places
 * of each channel, so that g is read twice and written once.
 */
export function groupNormGradient(
  g: Value,
  { centred, deviation }: Centred,
  weight: Value,
  groups: number,
  axis: ChannelAxis,
): [x: Value, weight: Value, bias: Value] {
  const { inGroups, beside, ofGroups, rows, size } = placesOf(centred, groups, axis);
  const sumOf = (v: Value) => inGroups(rows.reduceRight((sum, row) => reduceSum(sum, [row]), v));
  const [sums, along] = [sumOf(g), sumOf(mul(g, centred))];
  const scale = div(ofGroups(weight), deviation);
  const meanOf = (v: Value) => div(reduceSum(mul(v, scale), [2]), size);
  const slope = div(meanOf(along), mul(deviation, deviation));
  const shift = add(mul(centred, beside(slope)), beside(meanOf(sums)));
  const ofChannels = (v: Value) => reshape(reduceSum(v, [0]), weight.shape);
  return [sub(mul(g, beside(scale)), shift), ofChannels(div(along, deviation)), ofChannels(sums)];
}

/** How numbers of groups and of channels lie beside a picture. */
function placesOf(x: Value, groups: number, axis: ChannelAxis) {
  const channels = fixed(x.shape, axis, "GroupNorm");
  const [batch] = x.shape as [Dim];
  const perGroup = channels / groups;
  const first = axis === 1 ? 2 : 1;
  const rows = x.shape.slice(2).map((_, i) => first + i);
  const flat = rows.map(() => 1);
  const one = x.graph.constant(zeros("float32", [1, perGroup]));
  return {
    /** Axes of the picture's places. */
    rows,
    /** Numbers of a group. */
    size: rows.reduce((n, row) => n * fixed(x.shape, row, "GroupNorm"), perGroup),
    /** A number for each channel, whose places are gone → [B, groups, C / groups]. */
    inGroups: (v: Value) => reshape(v, [batch, groups, perGroup]),
    /** [C] → [1, groups, C / groups]. */
    ofGroups: (v: Value) => reshape(v, [1, groups, perGroup]),
    /** [B, groups, 1 or C / groups] as it is broadcast against x. */
    beside: (v: Value) => {
      const each = v.shape[2] === 1 && perGroup !== 1 ? add(v, one) : v;
      return reshape(each, axis === 1 ? [batch, channels, ...flat] : [batch, ...flat, channels]);
    },
  };
}
