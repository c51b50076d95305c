/** Convolutions as large as those of SD 2.1's U-Net at 256×256 and one of its decoder, two at once, in every form against the runtime's own kernel. */
import { afterAll, describe, expect, test } from "vitest";
import { type ConvolutionForm, conv2d, formsOf, Graph, lowerFor, toOnnx } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { expectCloseMax } from "../support/compare.ts";

/** A layer: channels, features, sides of the picture and of the kernel. */
const layers = [
  [4, 320, 32, 3],
  [320, 320, 32, 3],
  [960, 320, 32, 3],
  [640, 640, 32, 3],
  [320, 4, 32, 3],
  [320, 640, 16, 3],
  [640, 640, 16, 3],
  [1920, 640, 16, 3],
  [1280, 1280, 8, 3],
  [1280, 1280, 4, 3],
  [960, 320, 32, 1],
  [1920, 640, 16, 1],
  [2560, 1280, 8, 1],
  // In bands, the last of them not full.
  [256, 128, 158, 3],
] as const;
const BATCH = 2;
/** As the modules of the fixtures are allowed, of the largest value. */
const TOLERANCE = 1e-5;

const runtime = createNodeRuntime({ device: "cpu", threads: 2 });
afterAll(() => runtime.close());

async function run(graph: Graph, weights: Readonly<Record<string, Tensor>>, x: Tensor): Promise<Tensor> {
  const session = await runtime.createSession(toOnnx(graph, (name) => weights[name]!));
  const { y } = await session.run({ x });
  await session.release();
  return y!;
}

describe.each(layers)("%i → %i channels, %i², kernel %i", (channels, features, side, kernel) => {
  const graph = new Graph("layer");
  const x = graph.input("x", "float32", [BATCH, channels, side, side]);
  const weight = graph.parameter("weight", [features, channels, kernel, kernel]);
  graph.output("y", conv2d(x, weight, graph.parameter("bias", [features]), { padding: (kernel - 1) / 2 }));
  const forms = formsOf(graph.nodes[0]!).filter((form) => form !== "direct");

  test(`${forms.join(", ")} as direct`, async () => {
    const random = new CpuGenerator(channels + features + side);
    const tensor = (shape: readonly number[]) => float32(shape, random.randn(shape));
    const input = tensor(x.shape as number[]);
    const weights = { weight: tensor(weight.shape as number[]), bias: tensor([features]) };
    const inForm = (form: ConvolutionForm) => {
      const lowered = lowerFor("cpu", graph, { form });
      expect(lowered.nodes.some(({ op }) => op === "Conv")).toBe(form === "direct");
      return run(lowered, weights, input);
    };
    const want = await inForm("direct");
    expect(forms.length).toBeGreaterThan(0);
    for (const form of forms) expectCloseMax(await inForm(form), want, TOLERANCE, form);
  });
});
