import type { Graph, Node, TensorType, Value } from "./graph.ts";
import type { Shape } from "./shape.ts";

export interface CopyOptions {
  /** The path in front of every name. Default: none. */
  readonly prefix?: string;
  /** What takes the place of an input or a parameter. Default: one of the same name. */
  readonly input?: (value: Value) => Value;
  readonly parameter?: (name: string, value: Value) => Value;
  /** Writes a node in another way; undefined leaves it as it is. */
  readonly node?: (node: Node, inputs: readonly (Value | undefined)[]) => Value | readonly Value[] | undefined;
  /** Named dimensions that are known here. */
  readonly dims?: Readonly<Record<string, number>>;
}

/** Appends a copy of `from`, its outputs aside, to `into`; returns what each of its values became. */
export function copyInto(into: Graph, from: Graph, options: CopyOptions = {}): ReadonlyMap<Value, Value> {
  const { prefix = "", dims = {} } = options;
  const shapeOf = ({ shape }: TensorType): Shape =>
    shape.map((dim) => (typeof dim === "string" ? (dims[dim] ?? dim) : dim));
  const {
    input = (value) => into.input(value.name, value.dtype, shapeOf(value)),
    parameter = (name, value) => into.scope(prefix, () => into.parameter(name, value.shape as number[], value.dtype)),
    node: rewrite = () => undefined,
  } = options;
  const moved = new Map<Value, Value>();
  for (const value of from.inputs) moved.set(value, input(value));
  for (const [name, value] of from.parameters) moved.set(value, parameter(name, value));
  for (const [value, tensor] of from.constants) moved.set(value, into.constant(tensor));
  for (const node of from.nodes) {
    const inputs = node.inputs.map((value) => value && moved.get(value));
    const outputs = into.scope([prefix, node.scope].filter(Boolean).join("."), () => {
      const types = node.outputs.map((type) => ({ dtype: type.dtype, shape: shapeOf(type) }));
      const made = rewrite(node, inputs) ?? into.node(node.op, inputs, types, node.attributes);
      return Array.isArray(made) ? (made as readonly Value[]) : [made as Value];
    });
    for (const [i, value] of node.outputs.entries()) moved.set(value, outputs[i]!);
  }
  return moved;
}

/** Appends a copy of `from` under `prefix`, fed with `inputs`, to their graph; returns its outputs by name. */
export function include(
  into: Graph,
  prefix: string,
  from: Graph,
  inputs: Readonly<Record<string, Value>>,
  dims?: CopyOptions["dims"],
): Readonly<Record<string, Value>> {
  const moved = copyInto(into, from, {
    prefix,
    ...(dims && { dims }),
    input: ({ name }) => {
      const given = inputs[name];
      if (!given) throw new Error(`Graph "${from.name}" wants an input "${name}", which it was not given.`);
      return given;
    },
  });
  return Object.fromEntries([...from.outputs].map(([name, value]) => [name, moved.get(value)!]));
}
