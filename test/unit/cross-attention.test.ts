/** Where a U-Net looks: beside what it predicts, against the same written out in plain numbers, and on the way of a picture. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lowerFor, toOnnx, weightsOf } from "../../src/graph/index.ts";
import { unet, unetConfig } from "../../src/models/index.ts";
import type { StepEvent } from "../../src/pipelines/events.ts";
import { open } from "../../src/pipelines/inkling.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { textToImage } from "../../src/pipelines/text-to-image.ts";
import { createNodeRuntime, type Runtime } from "../../src/runtime/index.ts";
import { createGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { expectClose, expectCloseMax, expectCloseStd } from "../support/compare.ts";

let runtime: Runtime;
let model: Awaited<ReturnType<typeof open>>;
beforeAll(async () => {
  runtime = createNodeRuntime({ device: "cpu", threads: 1 });
  const choice = { device: "cpu", works: true, reason: "as asked" } as const;
  model = await open(plainCheckpoint.folder, { starting: Promise.resolve({ runtime, choice }) });
});
afterAll(() => runtime.close());

/** The tolerances of the fixtures for a U-Net and for a module. */
const [UNET, MODULE] = [5e-5, 1e-5];

/** Sums over the last axis. */
function sums({ shape, data }: Tensor<"float32">): number[] {
  const width = shape.at(-1)!;
  return Array.from({ length: data.length / width }, (_, row) =>
    data.subarray(row * width, (row + 1) * width).reduce((sum, x) => sum + x, 0),
  );
}

describe("cross-attentions that are tapped", () => {
  const size = { height: 8, width: 6 };
  const random = createGenerator("cpu", 3);
  const randn = (shape: number[]) => float32(shape, random.randn(shape));

  async function run(maps: boolean, taps: readonly string[] = []): Promise<Record<string, Tensor<"float32">>> {
    const { unet: part } = model.facts.checkpoint;
    const config = unetConfig(part.config);
    const graph = unet(config, { ...size, maps });
    for (const path of taps) graph.tap(path);
    const session = await runtime.createSession(toOnnx(lowerFor("cpu", graph), weightsOf(part.weights)));
    const outputs = await session.run(feeds(config.cross_attention_dim));
    await session.release();
    return outputs as Record<string, Tensor<"float32">>;
  }
  let told: Record<string, Tensor<"float32">> | undefined;
  const feeds = (width: number) =>
    (told ??= {
      sample: randn([2, 4, size.height, size.width]),
      timestep: float32([2], [500, 500]),
      encoder_hidden_states: randn([2, 9, width]),
    });

  it("change nothing of what is predicted, and each place's looks add up to 1", async () => {
    const [{ out_sample: plain }, { out_sample: tapped, ...maps }] = await Promise.all([run(false), run(true)]);
    expectCloseStd(tapped!, plain!, UNET);
    const config = unetConfig(model.facts.checkpoint.unet.config);
    const attending = [...unet(config, size).scopes.keys()].filter((path) => path.endsWith(".attn2"));
    expect(Object.keys(maps).sort()).toEqual(attending.sort());
    for (const [path, map] of Object.entries(maps)) {
      expect(map.shape.at(-1), path).toBe(9);
      expectClose(sums(map), sums(map).fill(1), 1e-5, { name: path });
    }
    expect(maps[attending.find((path) => path.startsWith("down_blocks.0"))!]!.shape).toEqual([2, 8, 6, 9]);
  });

  it("are softmax(q kᵀ / √d), the mean over heads", async () => {
    const config = unetConfig(model.facts.checkpoint.unet.config);
    const path = "down_blocks.0.attentions.0.transformer_blocks.0.attn2";
    const { [path]: map, ...rest } = await run(true, [`${path}.to_q`, `${path}.to_k`]);
    const [q, k] = [rest[`${path}.to_q`]!, rest[`${path}.to_k`]!];
    const heads = config.heads[0]!;
    const [batch, places, channels] = q.shape as [number, number, number];
    const words = k.shape[1]!;
    const width = channels / heads;
    const want = new Float32Array(batch * places * words);
    for (let b = 0; b < batch; b++) {
      for (let place = 0; place < places; place++) {
        for (let head = 0; head < heads; head++) {
          const scores = Array.from({ length: words }, (_, word) => {
            let sum = 0;
            for (let c = head * width; c < (head + 1) * width; c++) {
              sum += q.data[(b * places + place) * channels + c]! * k.data[(b * words + word) * channels + c]!;
            }
            return Math.exp(sum / Math.sqrt(width));
          });
          const total = scores.reduce((a, x) => a + x, 0);
          for (const [word, score] of scores.entries())
            want[(b * places + place) * words + word]! += score / total / heads;
        }
      }
    }
    expect(map!.shape[1]! * map!.shape[2]!).toBe(places);
    expectCloseMax(map!.data, want, MODULE);
  });
});

describe("a picture that is looked into", () => {
  async function draw(settings: Partial<GenerateSettings> = {}, inside = true): Promise<StepEvent[]> {
    const resolved = model.resolve({
      ...{ prompt: "a lady with blue eyes", negativePrompt: "blurry", seed: 7, width: 64, height: 64 },
      ...{ steps: 3, guidance: 5, sampler: "Euler", ...settings },
    });
    const steps: StepEvent[] = [];
    for await (const event of textToImage(resolved, { ...model.facts, ...model, inside })) {
      if (event.type === "step") steps.push(event);
    }
    return steps;
  }

  it("is the same one, bit for bit, and tells both predictions and where the prompt's words are looked for", async () => {
    const [plain, looked] = [await draw({}, false), await draw()];
    expect(looked.map(({ latents }) => latents.data)).toEqual(plain.map(({ latents }) => latents.data));
    expect(plain[0]!.inside).toBeUndefined();
    for (const { inside, prediction, latents } of looked) {
      const { cond, uncond, seen, attention } = inside!;
      expect(seen.shape).toEqual(latents.shape);
      const guided = uncond!.data.map((u, i) => u + 5 * (cond!.data[i]! - u));
      expectCloseStd(guided, prediction, 1e-6);
      expect(Object.keys(attention).length).toBeGreaterThan(1);
      for (const map of Object.values(attention)) {
        expect(map.shape.at(-1)).toBe(77);
        expectClose(sums(map), sums(map).fill(1), 1e-5);
      }
    }
  });

  it("looks for the prompt alone at guidance 1, and for no word of it at 0", async () => {
    const [alone] = await draw({ guidance: 1 });
    expect(alone!.inside).toMatchObject({ cond: { data: alone!.prediction.data } });
    expect(alone!.inside!.uncond).toBeUndefined();
    const [ignored] = await draw({ guidance: 0 });
    expect(ignored!.inside).toMatchObject({ uncond: { data: ignored!.prediction.data }, attention: {} });
    expect(ignored!.inside!.cond).toBeUndefined();
  });

  it("tells of a composition its first part, and where deep features are reused nothing of where it looks", async () => {
    const composed = await draw({ prompt: "a lady AND blue eyes :0.5" });
    const [first] = await draw({ prompt: "a lady" });
    expectCloseStd(composed[0]!.inside!.cond!, first!.inside!.cond!, UNET);
    const cached = await draw({ deepCache: 2 });
    expect(cached.map(({ inside }) => Object.keys(inside!.attention).length > 0)).toEqual([true, false, true]);
  });
});
