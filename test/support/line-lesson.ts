/** The smallest thing to learn: a line. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { add, Graph, matmul, mul, reduceMean, sub } from "../../src/graph/index.ts";
import { float32 } from "../../src/tensor/index.ts";
import type { Dataset, Lesson } from "../../src/training/index.ts";

const LENGTH = 10;

/** Ten pixels, the last of which cannot be read. */
export const pixels: Dataset = {
  name: "ten pixels",
  length: LENGTH,
  async at(index, { chance } = {}) {
    if (index === LENGTH - 1) return { key: "broken.png", skipped: "broken.png is no picture." };
    const shade = 20 * index + Math.floor(10 * (chance?.() ?? 0));
    return { key: `${index}`, caption: "", picture: { width: 1, height: 1, data: Uint8Array.of(shade, 1, 2) } };
  },
  identify: async (index) => `${index}`,
};

/** y = a · x + b + noise, learnt from pixels x. */
export const line: Lesson = {
  loss(batch) {
    const g = new Graph("line");
    const [x, y] = ["x", "y"].map((name) => g.input(name, "float32", [batch, 1]));
    const error = sub(add(matmul(x!, g.parameter("a", [1, 1])), g.parameter("b", [1])), y!);
    g.output("loss", reduceMean(mul(error, error), [0, 1], { keep: false }));
    return g;
  },
  initial: (name) => Float32Array.of(name === "a" ? 0.5 : 0),
  async batch(examples, random) {
    const x = examples.map(({ picture }) => picture.data[0]! / 255);
    const noise = random.randn([x.length]);
    const y = x.map((value, i) => 2 * value - 1 + 0.1 * noise[i]!);
    return { x: float32([x.length, 1], x), y: float32([x.length, 1], y) };
  },
  async write(target, weights) {
    await writeFile(join(target, "model.json"), JSON.stringify([...weights].map(([name, [value]]) => [name, value])));
  },
  async close() {},
};
