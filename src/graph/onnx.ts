import { PbfWriter } from "pbf";
import type { DType, StoredTensor, Tensor } from "../tensor/index.ts";
import { type Attribute, byteLength, type Graph, type Node, type TensorType } from "./graph.ts";
import { showShape } from "./shape.ts";

/** Where a parameter's numbers come from. */
export type Weight = StoredTensor | Tensor | ScaledWeight;

/** Integers with a factor that broadcasts against them: value = values · scale. */
export interface ScaledWeight {
  readonly values: StoredTensor;
  readonly scale: StoredTensor;
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
}

const OPSET = 21;
const IR_VERSION = 10;
const DATA_TYPE: Record<DType, number> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
};

/**
 * Writes a lowered graph in ONNX's format (onnx.proto, IR version 10, opset 21). Weights that lie in files are
 * referred to by place ("external data"); those of another type than float32 are cast by nodes, which the runtime
 * folds away once when it loads the graph.
 */
export function toOnnx(graph: Graph, weightOf: (name: string) => Weight): OnnxModel {
  const weights = new Map([...graph.parameters.keys()].map((name) => [name, weightOf(name)]));
  const files = new Set([...weights.values()].flatMap(filesOf));
  const folder = commonFolder(files);
  const weightBytes = [...graph.parameters.values()].reduce((sum, value) => sum + byteLength(value), 0);
  const parts = new Parts((file) => file.slice(folder.length));
  for (const [name, value] of graph.parameters) parts.parameter(name, value, weights.get(name)!);
  for (const [value, tensor] of graph.constants) parts.initializer(value.name, tensor);
  for (const node of graph.nodes) parts.node(node);
  for (const [name, value] of graph.outputs) {
    parts.node({ op: "Identity", name: `output/${name}`, inputs: [value], outputs: [{ name }], attributes: {} });
  }
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, IR_VERSION);
  pbf.writeStringField(2, "inkling");
  pbf.writeMessage(7, (_, out) => parts.write(out, graph), undefined);
  for (const [domain, version] of [
    ["", OPSET],
    ["com.microsoft", 1],
  ] as const) {
    pbf.writeMessage(
      8,
      (_, out) => {
        if (domain) out.writeStringField(1, domain);
        out.writeVarintField(2, version);
      },
      undefined,
    );
  }
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

/** The repeated fields of a GraphProto, gathered before they are written. */
class Parts {
  readonly #nodes: WritableNode[] = [];
  readonly #initializers: { name: string; data: Tensor | StoredTensor }[] = [];
  readonly #locate: (file: string) => string;

  constructor(locate: (file: string) => string) {
    this.#locate = locate;
  }

  initializer(name: string, data: Tensor | StoredTensor): void {
    this.#initializers.push({ name, data });
  }

  node(node: WritableNode): void {
    this.#nodes.push(node);
  }

  parameter(name: string, type: TensorType, weight: Weight): void {
    const data = "values" in weight ? weight.values : weight;
    if (count(data.shape) !== count(type.shape)) {
      throw new Error(`Weight "${name}" is ${showShape(data.shape)}, the graph wants ${showShape(type.shape)}.`);
    }
    const shaped = { ...data, shape: type.shape as number[] };
    if (data.dtype === type.dtype && !("values" in weight)) {
      this.initializer(name, shaped);
      return;
    }
    const [stored, wide] = [`${name}/stored`, "values" in weight ? `${name}/wide` : name];
    this.initializer(stored, shaped);
    const to = DATA_TYPE[type.dtype];
    this.node({
      op: "Cast",
      name: `${name}/Cast`,
      inputs: [{ name: stored }],
      outputs: [{ name: wide }],
      attributes: { to },
    });
    if (!("values" in weight)) return;
    const scale = { name: `${name}/scale` };
    this.parameter(scale.name, { dtype: type.dtype, shape: weight.scale.shape }, weight.scale);
    this.node({ op: "Mul", name: `${name}/Mul`, inputs: [{ name: wide }, scale], outputs: [{ name }], attributes: {} });
  }

  write(out: PbfWriter, graph: Graph): void {
    for (const node of this.#nodes) out.writeMessage(1, writeNode, node);
    out.writeStringField(2, graph.name);
    for (const initializer of this.#initializers) out.writeMessage(5, (i, o) => this.#writeTensor(i, o), initializer);
    for (const input of graph.inputs) out.writeMessage(11, writeValueInfo, { name: input.name, type: input });
    for (const [name, type] of graph.outputs) out.writeMessage(12, writeValueInfo, { name, type });
  }

  #writeTensor({ name, data }: { name: string; data: Tensor | StoredTensor }, out: PbfWriter): void {
    for (const dim of data.shape) out.writeVarintField(1, dim);
    out.writeVarintField(2, DATA_TYPE[data.dtype]);
    out.writeStringField(8, name);
    if ("data" in data) {
      out.writeBytesField(9, new Uint8Array(data.data.buffer, data.data.byteOffset, data.data.byteLength));
      return;
    }
    const entries = { location: this.#locate(data.file), offset: `${data.offset}`, length: `${data.length}` };
    for (const entry of Object.entries(entries)) out.writeMessage(13, writeEntry, entry);
    out.writeVarintField(14, 1);
  }
}

function filesOf(weight: Weight): string[] {
  const parts = "values" in weight ? [weight.values, weight.scale] : [weight];
  return parts.flatMap((part) => ("file" in part ? [part.file] : []));
}

/** The longest folder that holds every file, with its closing slash. */
function commonFolder(files: Iterable<string>): string {
  const [first = "", ...rest] = files;
  const folderOf = (path: string) => path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  let folder = folderOf(first);
  while (folder && !rest.every((file) => file.startsWith(folder))) folder = folderOf(folder.slice(0, -1));
  return folder;
}

function writeEntry([key, value]: [string, string], out: PbfWriter): void {
  out.writeStringField(1, key);
  out.writeStringField(2, value);
}

function writeNode(node: WritableNode, out: PbfWriter): void {
  const dot = node.op.lastIndexOf(".");
  for (const input of node.inputs) out.writeStringField(1, input?.name ?? "");
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
          tensor.writeVarintField(1, DATA_TYPE[type.dtype]);
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
