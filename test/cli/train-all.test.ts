/** `inkling train all` as a process: a model of small parts, stage by stage, that draws, scores and describes. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { expectOneMessage, run, start, workingFolder } from "../support/binary.ts";

const work = workingFolder();

const text = { vocab_size: 8192, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const blocks = { block_out_channels: [8, 16], layers_per_block: 1, norm_num_groups: 4 };
const data = { drawings: { count: 12, seed: 3, kinds: ["object", "shape"] } };
const common = { data, batch: 2, steps: 2, learningRate: 0.01, ema: 0.5 };

/** The stages of models/recipe.json, of models that learn in a second. */
const recipe = {
  learns: "all",
  stages: {
    vae: {
      ...common,
      learns: "vae",
      size: 32,
      model: {
        vae: {
          ...blocks,
          down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
          up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        },
      },
    },
    diffusion: {
      ...common,
      learns: "diffusion",
      size: 32,
      steps: 4,
      saveEvery: 2,
      beta2: 0.99,
      model: {
        unet: {
          ...blocks,
          sample_size: 16,
          down_block_types: ["DownBlock2D", "CrossAttnDownBlock2D"],
          up_block_types: ["CrossAttnUpBlock2D", "UpBlock2D"],
          attention_head_dim: 2,
          cross_attention_dim: 16,
        },
        textEncoder: { ...text, max_position_embeddings: 16 },
        tokenizer: "inkdrop-256",
        tokens: 16,
        vae: "@vae",
        scheduler: { _class_name: "DDIMScheduler", prediction_type: "v_prediction" },
        defaults: { steps: 2 },
      },
    },
    clip: {
      ...common,
      learns: "clip",
      model: {
        clip: {
          projection_dim: 16,
          text_config: { ...text, eos_token_id: 8191 },
          vision_config: { ...text, image_size: 16, patch_size: 8 },
        },
        tokenizer: "inkdrop-clip",
      },
    },
    gpt2: {
      ...common,
      learns: "gpt2",
      tokens: 12,
      model: {
        gpt2: { vocab_size: 8192, n_positions: 32, n_embd: 16, n_layer: 1, n_head: 2, eos_token_id: 8191 },
        tokenizer: "inkdrop-gpt2",
      },
    },
    captioner: { ...common, learns: "captioner", from: "@gpt2", clip: "@clip", prefix: 4, tokens: 12, trainGpt2: true },
  },
  model: "diffusion",
  beside: { clip: "clip", gpt2: "gpt2", captioner: "captioner" },
};

type Recipe = typeof recipe;

const write = (value: object): void => writeFileSync(work.path("recipe.json"), JSON.stringify(value));
beforeEach(() => write(recipe));

const all = (out: string, ...more: string[]): string[] => {
  return ["train", "all", "--config", "recipe.json", "--out", out, "--seed", "5", "--threads", "1", ...more];
};

async function done(...args: string[]) {
  const finished = await run(args, work);
  expect(finished.code, finished.stderr).toBe(0);
  return finished;
}

const bytes = (...parts: string[]): Buffer => readFileSync(work.path(...parts));
const unet = "unet/diffusion_pytorch_model.safetensors";

describe("train all", () => {
  it("writes a model that draws and describes, stopped by Ctrl-C or not", async () => {
    const running = start(all("mine", "--json"), work);
    await running.until('"stage":"diffusion"');
    await running.until("checkpoint-2");
    running.interrupt();
    expect((await running.finished).code).toBe(130);
    expect(existsSync(work.path("mine", "model_index.json"))).toBe(false);
    const { stdout, said } = await done(...all("mine"));
    expect(stdout).toBe(`${work.path("mine")}\n`);
    // What was learnt is not learnt again.
    expect(said.join("\n")).not.toContain("stage 1 of 5");
    expect(said.join("\n")).toContain("stage 5 of 5: captioner");
    expect(work.files("mine").filter((name) => /^(checkpoint|logs|cache)/.test(name))).toEqual([]);

    await done(...all("whole", "-q"));
    for (const file of [unet, "gpt2/model.safetensors", "captioner/prefix.safetensors"]) {
      expect(bytes("mine", file).equals(bytes("whole", file)), file).toBe(true);
    }
    const { scaling_factor: factor } = JSON.parse(`${bytes("mine", "vae", "config.json")}`);
    expect(factor).toBeGreaterThan(0);
    expect(factor).not.toBe(0.18215);

    await done("a red shape", "--model", "mine", "--size", "32", "--seed", "1", "-o", "a.png");
    const clip = ["--clip", "mine/clip"];
    await done("caption", "a.png", "--captioner", "mine/captioner", ...clip);
    await done("score", "a.png", "a red shape", ...clip);
    await done("write", "--model", "mine/gpt2", "--count", "1", "--seed", "1");
  });

  it("goes on with what was begun, not with something else", async () => {
    const rest = { ...recipe, stages: { gpt2: recipe.stages.gpt2 }, model: "gpt2", beside: {} };
    write(rest);
    await done(...all("mine", "-q", "--scale", "0.5"));
    expect(work.files("mine", "stages", "gpt2")).toContain("checkpoint-1");
    const { stdout } = await done(...all("mine", "-q", "--scale", "0.5"));
    expect(stdout).toBe(`${work.path("mine")}\n`);
    const other = await run(all("mine"), work);
    expect(other.code).toBe(2);
    expectOneMessage(other, "another recipe, scale or seed");
  });

  const changed = (change: (recipe: Recipe) => object): object => change(structuredClone(recipe));
  const stage = (name: keyof Recipe["stages"], more: object): object =>
    changed((it) => ({ ...it, stages: { ...it.stages, [name]: { ...it.stages[name], ...more } } }));
  it.each([
    ["a stage that comes later", stage("vae", { from: "@clip" }), 'no stage "clip"'],
    ["a model of no stage", { ...recipe, model: "unet" }, '"model"'],
    ["a folder of no stage", { ...recipe, beside: { clip: "clop" } }, '"beside.clip"'],
    ["an unknown kind", stage("vae", { learns: "vea" }), "stages.vae.learns"],
    ["an unknown key", stage("gpt2", { stepz: 3 }), 'stage gpt2: there is no key "stepz"'],
    ["drawings of no kind", stage("clip", { data: { drawings: { kinds: ["cats"] } } }), 'stage clip: "data'],
    ["a recipe of one model", recipe.stages.gpt2, "learns"],
  ])("%s is refused before anything starts", async (_, wrong, words) => {
    write(wrong);
    const refused = await run(all("mine"), work);
    expect(refused.code, refused.stderr).toBe(1);
    expectOneMessage(refused, "recipe.json", words);
    expect(work.files()).toEqual(["recipe.json"]);
  });
});
