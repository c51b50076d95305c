import { byteWidth, type DType, type Tensor } from "../tensor/index.ts";
import { type Shape, ShapeError, showShape } from "./shape.ts";

/** What is known of a value before anything runs. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * An attribute of a node. A plain number is an integer, as most are; numbers that ONNX types as floating point are
 * wrapped, since 1 and 1.0 are one value in JavaScript and two types in ONNX.
 */
export type Attribute = number | readonly number[] | string | { readonly float: number };
export type Attributes = Readonly<Record<string, Attribute>>;

/** A tensor-to-be: made once by an input, a parameter, a constant or a node, used any number of times. */
export interface Value extends TensorType {
  readonly graph: Graph;
  readonly name: string;
}

/** One operation. `op` is ONNX's name ("com.microsoft." in front for the runtime's own) or one that a lowering knows. */
export interface Node {
  readonly op: string;
  /** Where in the model it stands, in the checkpoint's own paths: "down_blocks.0.resnets.0.conv1/Conv". */
  readonly name: string;
  readonly scope: string;
  /** Optional inputs that were not given are undefined. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

/**
 * A computation under construction: values in the order in which they were made, which is an order in which they can
 * be computed. Shapes are inferred as each node is added, so a wrong one fails on the line that asked for it.
 */
export class Graph {
  readonly inputs: Value[] = [];
  /** Weights by their name in the checkpoint. They have a type here and get their numbers when a session is made. */
  readonly parameters = new Map<string, Value>();
  readonly constants = new Map<Value, Tensor>();
  readonly nodes: Node[] = [];
  readonly outputs = new Map<string, Value>();
  /** What each scope came to, by its path: where a look inside is taken from (see `tap`). */
  readonly scopes = new Map<string, Value>();
  #path: string[] = [];
  #taken = new Map<string, number>();

  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }

  /** The path under which parameters and nodes are named now, "" at the top. */
  get path(): string {
    return this.#path.join(".");
  }

  /** Runs `build` with `name` appended to the path, and remembers the value that it returns. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.#path;
    this.#path = name === "" ? outer : [...outer, name];
    try {
      const result = build();
      if (isValue(result)) this.scopes.set(this.path, result);
      return result;
    } finally {
      this.#path = outer;
    }
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.#value(name, { dtype, shape });
    this.inputs.push(value);
    return value;
  }

  /** The weight called `name` under the current path; asked for twice, it is the same value and must be the same shape. */
  parameter(name: string, shape: readonly number[], dtype: DType = "float32"): Value {
    const path = this.#path.length ? `${this.path}.${name}` : name;
    const known = this.parameters.get(path);
    if (known) {
      if (showShape(known.shape) !== showShape(shape)) {
        throw new ShapeError(
          `Parameter "${path}" was asked for as ${showShape(known.shape)} and again as ${showShape(shape)}.`,
        );
      }
      return known;
    }
    const value = this.#value(path, { dtype, shape });
    this.parameters.set(path, value);
    return value;
  }

  constant(tensor: Tensor): Value {
    const value = this.#value(this.#unique("constant"), { dtype: tensor.dtype, shape: tensor.shape });
    this.constants.set(value, tensor);
    return value;
  }

  /** Adds a node whose output types are already known; the typed functions in ops/ are how models call this. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    types: readonly TensorType[],
    attributes: Attributes,
  ): Value[] {
    for (const input of inputs) {
      if (input && input.graph !== this) {
        throw new Error(
          `${op} in graph "${this.name}" was given "${input.name}", a value of graph "${input.graph.name}".`,
        );
      }
    }
    const name = this.#unique(op.slice(op.lastIndexOf(".") + 1));
    const outputs = types.map((type, i) => this.#value(types.length === 1 ? name : `${name}:${i}`, type));
    this.nodes.push({ op, name, scope: this.path, inputs, outputs, attributes });
    return outputs;
  }

  output(name: string, value: Value): void {
    this.outputs.set(name, value);
  }

  /** Makes the result of the scope at `path` ("down_blocks.0.resnets.0") an output of that name. */
  tap(path: string): void {
    const value = this.scopes.get(path);
    if (!value) throw new Error(`Graph "${this.name}" has no scope "${path}".`);
    this.output(path, value);
  }

  #value(name: string, type: TensorType): Value {
    return { graph: this, name, dtype: type.dtype, shape: type.shape };
  }

  #unique(kind: string): string {
    const base = this.#path.length ? `${this.path}/${kind}` : kind;
    const count = this.#taken.get(base) ?? 0;
    this.#taken.set(base, count + 1);
    return count === 0 ? base : `${base}_${count}`;
  }
}

function isValue(x: unknown): x is Value {
  return typeof x === "object" && x !== null && "graph" in x && "dtype" in x;
}

/** The graph as text, a line a node: type, name, operation, operands. */
export function print(graph: Graph): string {
  const type = (v: TensorType) => `${v.dtype}${showShape(v.shape)}`;
  const attribute = (a: Attribute) => (typeof a === "object" && "float" in a ? String(a.float) : JSON.stringify(a));
  const lines = [`graph ${graph.name}`];
  for (const input of graph.inputs) lines.push(`  input ${input.name}: ${type(input)}`);
  for (const [name, value] of graph.parameters) lines.push(`  parameter ${name}: ${type(value)}`);
  for (const node of graph.nodes) {
    const operands = node.inputs.map((v) => v?.name ?? "–").join(", ");
    const attributes = Object.entries(node.attributes).map(([key, a]) => ` ${key}=${attribute(a)}`);
    lines.push(
      `  ${node.outputs.map((v) => `${v.name}: ${type(v)}`).join(", ")} = ${node.op}(${operands})${attributes.join("")}`,
    );
  }
  for (const [name, value] of graph.outputs) lines.push(`  output ${name}: ${type(value)} = ${value.name}`);
  return lines.join("\n");
}

/** Bytes of a value whose dimensions are all known. */
export function byteLength(type: TensorType): number {
  return type.shape.reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), byteWidth(type.dtype));
}
