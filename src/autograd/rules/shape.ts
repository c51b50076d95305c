import {
  concat,
  fixed,
  gatherGradient,
  pad,
  pickGradient,
  reshape,
  resizeNearestGradient,
  slice,
  split,
  transpose,
  type Value,
  zerosLike,
} from "../../graph/index.ts";
import { type GradientRule, integersOf, single } from "../rule.ts";

const concatenated: GradientRule = single((node, g) => {
  const axis = node.attributes["axis"] as number;
  return split(
    g,
    node.inputs.map((x) => fixed(x!.shape, axis, "Concat")),
    axis,
  );
});

/** A piece that nobody used gives zeros. */
const pieces: GradientRule = (node, upstream) => [
  concat(
    node.outputs.map((piece, i) => upstream[i] ?? zerosLike(piece)),
    node.attributes["axis"] as number,
  ),
];

const sliced: GradientRule = single((node, g) => {
  const x = node.inputs[0]!;
  if (node.inputs.length > 4) throw new Error(`"${node.name}": a slice in steps has no gradient.`);
  const [start, end, axis] = [1, 2, 3].map((i) => integersOf(node, i)[0]!) as [number, number, number];
  const none = x.shape.map(() => 0);
  return [pad(g, none.with(axis, start), none.with(axis, fixed(x.shape, axis, "Slice") - end))];
});

const padded: GradientRule = single((node, g) => {
  const x = node.inputs[0]!;
  const pads = integersOf(node, 1);
  const cut = x.shape.reduce<Value>((value, _, axis) => {
    const [before, after] = [pads[axis]!, pads[axis + x.shape.length]!];
    if (before === 0 && after === 0) return value;
    const length = fixed(value.shape, axis, "Pad");
    return slice(value, axis, before, length - after);
  }, g);
  return [cut];
});

const gathered: GradientRule = single((node, g) => {
  const [table, ids] = node.inputs as [Value, Value];
  if (node.attributes["axis"] !== 0 || ids.shape.length === 0)
    throw new Error(`"${node.name}": only rows that are chosen along the first axis have a gradient.`);
  return [gatherGradient(g, ids, table.shape), undefined];
});

export const shapes: Readonly<Record<string, GradientRule>> = {
  Reshape: single((node, g) => [reshape(g, node.inputs[0]!.shape)]),
  Transpose: single((node, g) => {
    const perm = node.attributes["perm"] as readonly number[];
    return [
      transpose(
        g,
        perm.map((_, i) => perm.indexOf(i)),
      ),
    ];
  }),
  Concat: concatenated,
  Split: pieces,
  Slice: sliced,
  Pad: padded,
  Gather: gathered,
  GatherElements: single((node, g) => {
    const [x, ids] = node.inputs as [Value, Value];
    return [pickGradient(g, ids, x), undefined];
  }),
  ResizeNearest: single((node, g) => [resizeNearestGradient(g, node.inputs[0]!.shape)]),
};
