/** Networks in 16-bit floats on the adapter at hand: computed where it has them, else as far as it can be told without. */
import { afterAll, expect, test } from "vitest";
import {
  type Graph,
  inFloat16,
  lowerFor,
  lowerForLearning,
  type OnnxModel,
  productsInFloat16,
  toOnnx,
  weightsOf,
} from "../../src/graph/index.ts";
import { autoencoder, clipText, clipTextConfig, unetConfig, unetParts } from "../../src/models/index.ts";
import { gradientGraph, packingOf } from "../../src/training/index.ts";
import { type ModelPart, openCheckpoint } from "../../src/weights/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { noWeights } from "../support/rules.ts";
import { trainingRuns } from "../support/training-runs.ts";
import { openAdapter } from "./adapter.ts";

const runtime = await openAdapter();
afterAll(() => runtime.close());

const { unet, vae, textEncoder } = await openCheckpoint(plainCheckpoint.folder);
const size = { height: 8, width: 8 };
const { words, rest } = unetParts(unetConfig(unet.config), size);
const networks: (readonly [string, Graph, ModelPart])[] = [
  ["text encoder", clipText(clipTextConfig(textEncoder.config)), textEncoder],
  ["U-Net's words", words, unet],
  ["U-Net", rest, unet],
  ["VAE's decoder", autoencoder(vae.config).decoder(size), vae],
  ["VAE's encoder", autoencoder(vae.config).encoder(size), vae],
];

const attends = () => true;
const hasFloat16 = await runtime.abilities!.float16();

const trained = trainingRuns().find(({ name }) => name === "unet, v")!.loss;
const graphOfStep = productsInFloat16(gradientGraph(trained, packingOf(trained), { scaled: true }));

// The runtime is strict: a node without a kernel in 16 bits would be refused before a program is made and refused for them.
test.each(networks)("the %s has no node on the CPU in 16 bits", async (_, graph, part) => {
  const lowered = lowerFor("webgpu", inFloat16(graph, { attends }), { attends });
  await expectOnDevice(toOnnx(lowered, weightsOf(part.weights)));
});

test("a step of learning has no node on the CPU with its products in 16 bits", async () => {
  await expectOnDevice(toOnnx(lowerForLearning("webgpu", graphOfStep), noWeights));
});

async function expectOnDevice(model: OnnxModel): Promise<void> {
  const making = runtime.createSession(model);
  const said = await making.then(
    async (session) => {
      await session.release();
      return "made";
    },
    (error: Error) => error.message,
  );
  expect(said).toMatch(hasFloat16 ? /^made$/ : /^made$|requires f16 but the device does not support it/);
}
