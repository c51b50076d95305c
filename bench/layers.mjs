/**
 * ONNX Runtime's profile of a session as classes of layers: which took how long, how much arithmetic and memory traffic
 * that was, and how near it came to what the machine allows.
 */

const product = (list) => list.reduce((a, b) => a * b, 1);
const WIDTH = { float: 4, float16: 2, bfloat16: 2, double: 8, int64: 8, int32: 4, int8: 1, uint8: 1, bool: 1 };

/**
 * The nodes of one run, the fastest after the first.
 *
 * @param events the profile's events
 * @returns seconds of the whole run, and its nodes: `path` of the layer in the checkpoint (of no layer where the runtime
 *   made up the node), `op`, `seconds`, shapes and bytes of what went in and came out
 */
export function fastestRun(events) {
  const runs = [];
  let nodes = [];
  for (const event of events) {
    if (event.cat === "Node" && event.name.endsWith("_kernel_time")) nodes.push(nodeOf(event));
    if (event.name !== "model_run") continue;
    runs.push({ seconds: event.dur / 1e6, nodes });
    nodes = [];
  }
  const warm = runs.length > 1 ? runs.slice(1) : runs;
  if (warm.length === 0) throw new Error("The profile holds no run.");
  return warm.reduce((best, run) => (run.seconds < best.seconds ? run : best));
}

function nodeOf({ name, dur, args }) {
  const read = (types) => types.flatMap((type) => Object.entries(type)).map(([dtype, shape]) => ({ dtype, shape }));
  const [path] = name.replace(/(_nchwc)?_kernel_time$/, "").split("/");
  return {
    path,
    op: args.op_name,
    seconds: dur / 1e6,
    inputs: read(args.input_type_shape),
    outputs: read(args.output_type_shape),
  };
}

const PRODUCTS = ["MatMul", "FusedMatMul", "Gemm", "FusedGemm"];
const CONVOLUTIONS = ["Conv", "FusedConv", "NhwcFusedConv"];

/** Additions and multiplications of a node's products, two for each pair of numbers; other arithmetic is not counted. */
export function flopsOf({ op, inputs, outputs: [out] }) {
  if (CONVOLUTIONS.includes(op)) return 2 * product(out.shape) * product(inputs[1].shape.slice(1));
  if (PRODUCTS.includes(op)) return 2 * product(out.shape) * innerOf(inputs[0], out);
  if (op === "MultiHeadAttention" || op === "Attention") return attentionFlops(inputs);
  return 0;
}

/** The length that a product sums over: the second operand is not told where it was packed, and the first may be transposed. */
function innerOf(left, out) {
  return product(left.shape.slice(-2)) / (out.shape.at(-2) ?? 1);
}

/** Queries [B, T, C] or [B, H, T, D]; keys [B, S, C] or [B, H, S, D]: T × S scores over C, and as much for the values. */
function attentionFlops([query, key]) {
  return 4 * product(query.shape) * key.shape.at(-2);
}

/** What is read and written: a reshape only gives another view, and a packed weight is not told. */
export function bytesOf({ op, inputs, outputs }) {
  if (op === "Reshape") return 0;
  const told = [...inputs, ...outputs].reduce((sum, { dtype, shape }) => sum + (WIDTH[dtype] ?? 4) * product(shape), 0);
  const floats = inputs.filter(({ dtype, shape }) => dtype === "float" && shape.length > 1);
  const packed = PRODUCTS.includes(op) && floats.length < 2;
  return told + (packed ? 4 * innerOf(inputs[0], outputs[0]) * outputs[0].shape.at(-1) : 0);
}

/**
 * What each layer of a graph is, by its path, with what it costs when it is written the direct way.
 *
 * @param graph as the model is built, before any lowering
 * @param dims numbers for the graph's named dimensions
 */
export function layersOf(graph, dims) {
  const known = (shape) => shape.map((dim) => (typeof dim === "number" ? dim : dims[dim]));
  const layers = new Map();
  for (const { op, scope, inputs, outputs, attributes } of graph.nodes) {
    const describe = KINDS[op];
    if (!describe) continue;
    const [x, weight] = inputs.map((value) => value && known(value.shape));
    const layer = describe({ x, weight, out: known(outputs[0].shape), attributes });
    layers.set(scope, layer);
    // The last nodes are named by the graph's outputs.
    for (const [name, value] of graph.outputs) if (outputs.includes(value)) layers.set(name, layer);
  }
  return layers;
}

const KINDS = {
  Conv: ({ weight, out, attributes: { strides = [1, 1] } }) => ({
    kind: `conv ${weight[2]}×${weight[3]}${strides[0] > 1 ? ` /${strides[0]}` : ""}`,
    shape: `${weight[1]}→${weight[0]}, ${out[2]}×${out[3]}`,
    direct: 2 * product(out) * product(weight.slice(1)),
  }),
  Linear: ({ weight, out }) => ({
    kind: "linear",
    shape: `${weight[1]}→${weight[0]}, ${product(out) / weight[0]} rows`,
    direct: 2 * product(out) * weight[1],
  }),
  Attention: ({ x, weight: key, attributes: { heads } }) => ({
    kind: "attention",
    shape: `${x[1]}×${key[1]}, ${heads} × ${x[2] / heads}`,
    direct: 4 * product(x) * key[1],
  }),
  GroupNorm: ({ x }) => ({ kind: "group norm", shape: `${x[1]}, ${x.slice(2).join("×")}`, direct: 0 }),
  LayerNormalization: ({ x }) => ({ kind: "layer norm", shape: `${x[2]}, ${x[0] * x[1]} rows`, direct: 0 }),
};

/** A product that a lowering moved to another path, as part of a wider layer say, is a layer by itself. */
function productOfNoLayer(node) {
  if (!PRODUCTS.includes(node.op)) return undefined;
  const [{ shape }] = node.outputs;
  const inner = innerOf(node.inputs[0], node.outputs[0]);
  const rows = product(shape) / shape.at(-1);
  return { kind: "linear", shape: `${inner}→${shape.at(-1)}, ${rows} rows`, direct: flopsOf(node) };
}

/**
 * Classes of layers from the slowest on, by kind alone or by kind and shape. Nodes between layers are classes by their
 * operation.
 *
 * @param roof GFLOP/s as `peak`, GB/s as `bandwidth`: a node takes at least the longer of its arithmetic at the one and
 *   its traffic at the other
 * @returns for each class `seconds`, `flops` computed, `direct` those of the direct way, `bytes`, `least` seconds that the
 *   roof allows, and what `bounds` it
 */
export function classesOf(nodes, layers, { peak, bandwidth }, byShape = true) {
  const classes = new Map();
  const seen = new Set();
  for (const node of nodes) {
    const known = layers.get(node.path);
    const layer = known ?? productOfNoLayer(node);
    const name = layer ? `${layer.kind}${byShape ? ` ${layer.shape}` : ""}` : node.op;
    const found = classes.get(name) ?? {
      name,
      layers: 0,
      seconds: 0,
      flops: 0,
      direct: 0,
      bytes: 0,
      least: 0,
      arithmetic: 0,
    };
    const [flops, bytes] = [flopsOf(node), bytesOf(node)];
    const [computing, moving] = [flops / peak / 1e9, bytes / bandwidth / 1e9];
    const first = !known || !seen.has(node.path);
    if (known) seen.add(node.path);
    found.layers += first ? 1 : 0;
    found.direct += first ? (layer?.direct ?? flops) : 0;
    found.seconds += node.seconds;
    found.flops += flops;
    found.bytes += bytes;
    found.least += Math.max(computing, moving);
    found.arithmetic += computing;
    classes.set(name, found);
  }
  return [...classes.values()]
    .map(({ arithmetic, ...found }) => ({ ...found, bounds: arithmetic > found.least / 2 ? "arithmetic" : "memory" }))
    .sort((a, b) => b.seconds - a.seconds);
}

/** Sums of classes, as a class. */
export function sumOf(name, classes) {
  const sum = (key) => classes.reduce((all, one) => all + one[key], 0);
  const keys = ["layers", "seconds", "flops", "direct", "bytes", "least"];
  return { name, ...Object.fromEntries(keys.map((key) => [key, sum(key)])), bounds: "" };
}

const HEAD = "layers|n|ms|share|GFLOP direct|computed|GFLOP/s|as direct|MB|bound by|of the roof".split("|");

/** Classes as cells under a head. `share` is of all classes; those below `least` of it become one. */
export function cellsOf(classes, least = 0) {
  const all = sumOf("all", classes);
  const large = classes.filter(({ seconds }) => seconds >= least * all.seconds);
  const small = classes.filter((one) => !large.includes(one));
  const rest = small.length > 0 ? [sumOf(`${small.length} others`, small)] : [];
  return [
    HEAD,
    ...[...large, ...rest, all].map((one) => [
      one.name,
      `${one.layers}`,
      (1000 * one.seconds).toFixed(1),
      percent(one.seconds / all.seconds),
      one.direct ? (one.direct / 1e9).toFixed(1) : "",
      one.flops ? (one.flops / 1e9).toFixed(1) : "",
      one.flops ? (one.flops / one.seconds / 1e9).toFixed(0) : "",
      one.direct ? (one.direct / one.seconds / 1e9).toFixed(0) : "",
      (one.bytes / 1e6).toFixed(0),
      one.bounds,
      percent(one.least / one.seconds),
    ]),
  ];
}

const percent = (share) => `${(100 * share).toFixed(0)} %`;
