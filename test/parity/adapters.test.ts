import { afterAll, describe, expect, test } from "vitest";
import { type Graph, lower, lowerings, toOnnx, weightsOf } from "../../src/graph/index.ts";
import {
  adapt,
  adaptableLayers,
  clipText,
  clipTextConfig,
  scaleName,
  unet,
  unetConfig,
} from "../../src/models/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32, int64, type Tensor } from "../../src/tensor/index.ts";
import { createClipTokenizer, readTokenizerConfig } from "../../src/text/index.ts";
import { type Adapter, openAdapter, openCheckpoint } from "../../src/weights/index.ts";
import { expectClose } from "../support/compare.ts";
import { need, path, readJson, readTensors } from "../support/fixtures.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

interface Entry {
  checkpoint: string;
  adapter?: string;
  scale?: number;
  unet_change?: number;
}

const entries = readJson<Entry[]>("adapters", "adapters.json").filter(({ adapter }) => adapter !== undefined);
/** What the generator asked with; it stands in no file of the fixtures. */
const TIMESTEP = 401;
const PROMPTS = ["a lady with blue eyes", "a red house on a hill, oil painting, 4k"];

describe.each(entries.map((entry) => [entry.checkpoint, entry.adapter!, entry] as const))(
  "%s with %s",
  (name, kind, { scale }) => {
    const outputs = readTensors("adapters", name, "outputs.safetensors");

    /** Runs a network with the adapter at 0 and at its scale, without loading anything in between. */
    async function compare(
      graph: Graph,
      part: "unet" | "textEncoder",
      adapter: Adapter,
      feeds: Record<string, Tensor>,
      want: readonly [key: string, at: number][],
    ): Promise<number> {
      const { [part]: network } = await openCheckpoint(path("checkpoints", name));
      const layers = adapter.layersOf(part === "unet" ? "unet" : "text_encoder", adaptableLayers(graph));
      const { graph: adapted, stored } = adapt(graph, [{ name: kind, layers }]);
      const own = weightsOf(network.weights);
      const session = await runtime.createSession(
        toOnnx(lower(adapted, lowerings.cpu), (key) => stored.get(key) ?? own(key)),
      );
      for (const [key, at] of want) {
        const scales = { [scaleName(0)]: float32([], [at]) };
        // The U-Net looks at words that the adapter changed too.
        const words = part === "unet" && { encoder_hidden_states: need(outputs, key.replace(".unet", ".text")) };
        const results = await session.run({ ...feeds, ...words, ...scales });
        expectClose(Object.values(results)[0]!, need(outputs, key), 5e-5, { name: key, per: "std" });
      }
      await session.release();
      return layers.size;
    }

    test("U-Net and text encoder, at 0 and at the stored scale", async () => {
      const adapter = await openAdapter(path("adapters", name, `${kind}.safetensors`));
      const sample = need(outputs, "in");
      const [batch, , height, width] = sample.shape as [number, number, number, number];
      const unetFeeds = {
        sample,
        timestep: float32([batch], new Float32Array(batch).fill(TIMESTEP)),
      };
      const { unet: unetPart, textEncoder, tokenizer } = await openCheckpoint(path("checkpoints", name));
      const changed = await compare(unet(unetConfig(unetPart.config), { height, width }), "unet", adapter, unetFeeds, [
        ["scale0.unet", 0],
        [`${kind}.unet`, scale!],
      ]);
      const text = clipText(clipTextConfig(textEncoder.config));
      const { merges, vocab, ...configs } = tokenizer;
      const clip = createClipTokenizer({ merges, vocab, ...readTokenizerConfig(configs) });
      const ids = int64(
        [PROMPTS.length, clip.maxLength],
        PROMPTS.flatMap((prompt) => clip.row(prompt).ids),
      );
      const changedText = await compare(text, "textEncoder", adapter, { input_ids: ids }, [
        ["scale0.text", 0],
        [`${kind}.text`, scale!],
      ]);
      expect(changed + changedText).toBe(adapter.size);
      expect(changed).toBeGreaterThan(0);
    });
  },
);
