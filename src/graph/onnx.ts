import { PbfWriter } from "pbf";
import type { StoredTensor, Tensor } from "../tensor/index.ts";
import { type Attribute, byteLength, type Graph, type Node, type TensorType, type Value } from "./graph.ts";
import { ONNX_TYPE } from "./onnx-type.ts";
import { showShape } from "./shape.ts";

/** Where a parameter's numbers come from. */
export type Weight = StoredTensor | Tensor | ScaledWeight;

/** Integers with a factor that broadcasts against them: value = values · scale. */
export interface ScaledWeight {
  readonly values: StoredTensor;
  readonly scale: StoredTensor;
}

/** Finds a parameter's place in the files by its name; 8-bit weights come with the scale that is stored beside them. */
export function weightsOf(store: { get(name: string): StoredTensor | undefined }): (name: string) => Weight {
  return (name) => {
    const values = store.get(name);
    if (!values) throw new Error(`There is no weight "${name}".`);
    const scale = store.get(`${name}.scale`);
    return scale ? { values, scale } : values;
  };
}

/** A graph ready for the runtime. The weights are not inside: it refers to files that lie below `folder`. */
export interface OnnxModel {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Path or URL with its closing slash; empty when the graph refers to no file. */
  readonly folder: string;
  /** The files as the graph names them, relative to `folder`. */
  readonly locations: readonly string[];
  /** What the weights take as the graph computes with them. */
  readonly weightBytes: number;
  /** Its other form, for which all that follows from weights alone is computed before it is loaded. */
  readonly ahead?: Ahead;
}

/** A graph that refers to results as if they lay in a file, and the graphs, without inputs, that they come of. */
export interface Ahead {
  readonly graph: Uint8Array;
  /** What the graph calls that file. */
  readonly location: string;
  /** What is made takes less memory than the weights that it comes of: worth it even where the file is nothing but memory. */
  readonly smaller: boolean;
  readonly bytes: number;
  readonly pieces: readonly {
    readonly model: OnnxModel;
    /** Where each of its outputs begins in the file. */
    readonly places: Readonly<Record<string, number>>;
  }[];
}

export interface OnnxOptions {
  /** Inputs that are weights, too, and where they lie; their file is told as it stands. Default: none. */
  readonly made?: ReadonlyMap<string, StoredTensor>;
  /**
   * Whether weights stay in their files as they are, and what follows from them is computed in each run: less memory, more work.
   * Default: the runtime computes it once, when it loads the graph, and keeps it.
   */
  readonly asStored?: boolean;
}

const OPSET = 21;
const IR_VERSION = 10;

/**
 * Writes a lowered graph in ONNX's format (onnx.proto, IR version 10, opset 21). Weights that lie in files are
 * referred to by place ("external data"); those of another type than float32 are cast by nodes, which the runtime
 * folds away once when it loads the graph.
 */
export function toOnnx(
  graph: Graph,
  weightOf: (name: string) => Weight,
  { made = new Map(), asStored = false }: OnnxOptions = {},
): OnnxModel {
  const weights = new Map<string, Weight>();
  const files = new Set<string>();
  let weightBytes = 0;
  for (const [name, value] of graph.parameters) {
    const weight = weightOf(name);
    weights.set(name, weight);
    for (const part of isScaled(weight) ? [weight.values, weight.scale] : [weight]) {
      if ("file" in part) files.add(part.file);
    }
    weightBytes += byteLength(value);
  }
  const folder = commonFolder(files);
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, IR_VERSION);
  pbf.writeStringField(2, "inkling");
  pbf.writeMessage(7, writeGraph, { graph, weights, folder, made, asStored });
  pbf.writeMessage(8, writeOpset, ["", OPSET]);
  pbf.writeMessage(8, writeOpset, ["com.microsoft", 1]);
  return {
    name: graph.name,
    bytes: pbf.finish(),
    folder,
    locations: [...files].map((file) => file.slice(folder.length)),
    weightBytes,
  };
}

type Named = { readonly name: string };
type WritableNode = Pick<Node, "op" | "name" | "attributes"> & {
  readonly inputs: readonly (Named | undefined)[];
  readonly outputs: readonly Named[];
};

interface Initializer {
  readonly name: string;
  readonly data: Tensor | StoredTensor;
  /** As the graph wants it: the same numbers, perhaps with other dimensions of 1. */
  readonly shape: TensorType["shape"];
  readonly folder: string;
}

function isScaled(weight: Weight): weight is ScaledWeight {
  return "values" in weight;
}

/** The longest folder that holds every file, with its closing slash. */
function commonFolder(files: Iterable<string>): string {
  const [first = "", ...rest] = files;
  const folderOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  let folder = folderOf(first);
  while (folder && !rest.every((file) => file.startsWith(folder))) folder = folderOf(folder.slice(0, -1));
  return folder;
}

interface Bound {
  readonly graph: Graph;
  readonly weights: ReadonlyMap<string, Weight>;
  readonly folder: string;
  readonly made: ReadonlyMap<string, StoredTensor>;
  readonly asStored: boolean;
}

/** A GraphProto. Its repeated fields may stand in any order; only the nodes' own order counts. */
function writeGraph({ graph, weights, folder, made, asStored }: Bound, out: PbfWriter): void {
  const parameters = new Map([...graph.parameters].map(([name, value]) => [value, name]));
  const views = graph.nodes.filter((node) => isView(node, parameters, weights));
  const nodes = graph.nodes.filter((node) => !views.includes(node));
  const used = new Set<Value | undefined>([...nodes.flatMap(({ inputs }) => inputs), ...graph.outputs.values()]);
  for (const [value, name] of parameters) {
    if (used.has(value)) writeParameter(name, value, weights.get(name)!, { folder, asStored }, out);
  }
  for (const { inputs, outputs } of views) {
    const weight = weights.get(parameters.get(inputs[0]!)!)!;
    writeParameter(outputs[0]!.name, outputs[0]!, weight, { folder, asStored }, out);
  }
  for (const [value, data] of graph.constants) {
    const { name, shape } = value;
    if (used.has(value)) out.writeMessage(5, writeInitializer, { name, data, shape, folder });
  }
  // An output takes its name where it is computed: a node that passes it on would copy it.
  const computed = new Set(nodes.flatMap(({ outputs }) => outputs));
  const renamed = new Map<Value, Named>();
  const passed: WritableNode[] = [];
  for (const [name, value] of graph.outputs) {
    if (computed.has(value) && !renamed.has(value)) renamed.set(value, { name });
    else {
      const inputs = [renamed.get(value) ?? value];
      passed.push({ op: "Identity", name: `output/${name}`, inputs, outputs: [{ name }], attributes: {} });
    }
  }
  for (const node of nodes) {
    const inputs = node.inputs.map((value) => value && (renamed.get(value) ?? value));
    out.writeMessage(1, writeNode, { ...node, inputs, outputs: node.outputs.map((v) => renamed.get(v) ?? v) });
  }
  for (const node of passed) out.writeMessage(1, writeNode, node);
  out.writeStringField(2, graph.name);
  for (const { name, dtype, shape } of graph.inputs) {
    const data = made.get(name);
    if (data) out.writeMessage(5, writeInitializer, { name, data, shape, folder: "" });
    else out.writeMessage(11, writeValueInfo, { name, type: { dtype, shape } });
  }
  for (const [name, type] of graph.outputs) out.writeMessage(12, writeValueInfo, { name, type });
}

/** A weight in other dimensions is bound to its file once more: reshaped by the runtime, it would be copied. */
function isView({ op, inputs: [x] }: Node, parameters: ReadonlyMap<Value, string>, weights: Bound["weights"]): boolean {
  const name = op === "Reshape" ? parameters.get(x!) : undefined;
  return name !== undefined && !isScaled(weights.get(name)!);
}

/** The weight as it is stored, and the nodes that make of it what the graph wants. */
function writeParameter(
  name: string,
  type: TensorType,
  weight: Weight,
  bound: Pick<Bound, "folder" | "asStored">,
  out: PbfWriter,
): void {
  const scaled = isScaled(weight);
  const data = scaled ? weight.values : weight;
  const { dtype, shape } = type;
  if (count(data.shape) !== count(shape)) {
    throw new Error(`Weight "${name}" is ${showShape(data.shape)}, the graph wants ${showShape(shape)}.`);
  }
  const write = (as: string): void => {
    out.writeMessage(5, writeInitializer, { name: as, data, shape, folder: bound.folder });
    // What a run may be given another value of is nothing that the runtime computes with ahead.
    if (bound.asStored) out.writeMessage(11, writeValueInfo, { name: as, type: { dtype: data.dtype, shape } });
  };
  if (data.dtype === dtype && !scaled) {
    write(name);
    return;
  }
  const [stored, wide] = [{ name: `${name}/stored` }, { name: scaled ? `${name}/wide` : name }];
  const cast = { inputs: [stored], outputs: [wide], attributes: { to: ONNX_TYPE[dtype] } };
  write(stored.name);
  out.writeMessage(1, writeNode, { op: "Cast", name: `${name}/Cast`, ...cast });
  if (!scaled) return;
  const scale = { name: `${name}/scale` };
  writeParameter(scale.name, { dtype, shape: weight.scale.shape }, weight.scale, bound, out);
  const product = { inputs: [wide, scale], outputs: [{ name }], attributes: {} };
  out.writeMessage(1, writeNode, { op: "Mul", name: `${name}/Mul`, ...product });
}

function writeInitializer({ name, data, shape, folder }: Initializer, out: PbfWriter): void {
  for (const dim of shape) out.writeVarintField(1, dim as number);
  out.writeVarintField(2, ONNX_TYPE[data.dtype]);
  out.writeStringField(8, name);
  if ("data" in data) {
    out.writeBytesField(9, new Uint8Array(data.data.buffer, data.data.byteOffset, data.data.byteLength));
    return;
  }
  out.writeMessage(13, writeEntry, ["location", data.file.slice(folder.length)]);
  out.writeMessage(13, writeEntry, ["offset", `${data.offset}`]);
  out.writeMessage(13, writeEntry, ["length", `${data.length}`]);
  out.writeVarintField(14, 1);
}

function writeEntry([key, value]: [string, string], out: PbfWriter): void {
  out.writeStringField(1, key);
  out.writeStringField(2, value);
}

function writeOpset([domain, version]: [string, number], out: PbfWriter): void {
  if (domain) out.writeStringField(1, domain);
  out.writeVarintField(2, version);
}

function writeNode(node: WritableNode, out: PbfWriter): void {
  const dot = node.op.lastIndexOf(".");
  // An absent operand at the end is left out: told of one without a name, the runtime's WebGPU convolution ends the process.
  const given = node.inputs.slice(0, node.inputs.findLastIndex((input) => input !== undefined) + 1);
  for (const input of given) out.writeStringField(1, input?.name ?? "");
  for (const output of node.outputs) out.writeStringField(2, output.name);
  out.writeStringField(3, node.name);
  out.writeStringField(4, node.op.slice(dot + 1));
  for (const attribute of Object.entries(node.attributes)) out.writeMessage(5, writeAttribute, attribute);
  if (dot > 0) out.writeStringField(7, node.op.slice(0, dot));
}

function writeAttribute([name, value]: [string, Attribute], out: PbfWriter): void {
  out.writeStringField(1, name);
  if (typeof value === "number") {
    out.writeVarintField(3, value);
    out.writeVarintField(20, 2);
  } else if (typeof value === "string") {
    out.writeStringField(4, value);
    out.writeVarintField(20, 3);
  } else if ("float" in value) {
    out.writeFloatField(2, value.float);
    out.writeVarintField(20, 1);
  } else {
    for (const item of value) out.writeVarintField(8, item);
    out.writeVarintField(20, 7);
  }
}

function writeValueInfo({ name, type }: { name: string; type: TensorType }, out: PbfWriter): void {
  out.writeStringField(1, name);
  out.writeMessage(
    2,
    (_, typeProto) => {
      typeProto.writeMessage(
        1,
        (_, tensor) => {
          tensor.writeVarintField(1, ONNX_TYPE[type.dtype]);
          tensor.writeMessage(
            2,
            (_, shape) => {
              for (const dim of type.shape) {
                shape.writeMessage(
                  1,
                  (d, o) => (typeof d === "number" ? o.writeVarintField(1, d) : o.writeStringField(2, d)),
                  dim,
                );
              }
            },
            undefined,
          );
        },
        undefined,
      );
    },
    undefined,
  );
}

function count(shape: TensorType["shape"]): number {
  return shape.reduce<number>((n, dim) => n * (typeof dim === "number" ? dim : Number.NaN), 1);
}
