/** What this machine can do at most with float32 numbers. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Graph, lower, lowerings, matmul, mul, toOnnx } from "../dist/graph/index.js";
import { createNodeRuntime } from "../dist/runtime/node.js";
import { float32 } from "../dist/tensor/index.js";

/** Rows, inner length, columns. */
const PRODUCTS = [
  [2048, 2048, 2048],
  [4096, 1024, 1024],
  [1024, 4096, 1024],
];
const PASSES = 8;
const PLACES = 1 << 25;
const TAKES = 7;

/**
 * @returns GFLOP/s of multiply-adds (`peak`, each two operations), of the best matrix product through our runtime
 *   (`product`), and GB/s (`bandwidth`); `how` the first and the last were measured. Without a C compiler the product is
 *   the peak.
 */
export async function measureRoof(threads) {
  const runtime = createNodeRuntime({ device: "cpu", threads });
  try {
    const products = [];
    for (const shape of PRODUCTS) products.push(await productOf(runtime, shape));
    const product = Math.max(...products);
    const compiled = loopsInC(threads);
    if (compiled) {
      const how = `fused multiply-adds and a triad of arrays in C, ${compiled.lanes} lanes`;
      return { peak: compiled.gflops, product, bandwidth: compiled.bandwidth, how };
    }
    const how = "measured best matrix product, and products with a number in place (no C compiler was found)";
    return { peak: product, product, bandwidth: await bandwidthOf(runtime), how };
  } finally {
    await runtime.close();
  }
}

function loopsInC(threads) {
  const folder = mkdtempSync(join(tmpdir(), "inkling-roof-"));
  const program = join(folder, "roof");
  const source = fileURLToPath(new URL("roof.c", import.meta.url));
  const flags = ["-O3", "-march=native", "-ffp-contract=fast", "-pthread"];
  try {
    execFileSync("cc", [...flags, source, "-o", program], { stdio: "pipe" });
    return JSON.parse(execFileSync(program, [`${threads}`]).toString());
  } catch {
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function productOf(runtime, [rows, inner, columns]) {
  const g = new Graph("product");
  const x = g.input("x", "float32", [rows, inner]);
  g.output("y", matmul(x, g.parameter("weight", [inner, columns])));
  const weight = float32([inner, columns], new Float32Array(inner * columns).fill(0.5));
  const seconds = await shortest(runtime, g, { x: filled([rows, inner]) }, () => weight);
  return (2 * rows * inner * columns) / seconds / 1e9;
}

/** Every pass but the first reads and writes the one array. */
async function bandwidthOf(runtime) {
  const secondsOf = (passes) => {
    const g = new Graph("passes");
    let y = g.input("x", "float32", [PLACES]);
    for (let i = 0; i < passes; i++) y = mul(y, 0.999);
    g.output("y", y);
    return shortest(runtime, g, { x: filled([PLACES]) });
  };
  return (2 * 4 * PLACES * (PASSES - 1)) / ((await secondsOf(PASSES)) - (await secondsOf(1))) / 1e9;
}

const filled = (shape) => float32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1));

async function shortest(runtime, graph, feeds, weightOf = () => undefined) {
  const session = await runtime.createSession(toOnnx(lower(graph, lowerings.cpu), weightOf));
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < TAKES; i++) {
    const start = performance.now();
    await session.run(feeds);
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  await session.release();
  return best;
}
