import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { taesdConfig, unet, unetConfig, vaeConfig } from "../../src/models/index.ts";
import { InputError } from "../../src/tensor/index.ts";
import { path } from "../support/fixtures.ts";

const config = (...parts: string[]) => JSON.parse(readFileSync(path("checkpoints", ...parts), "utf8")) as object;
const file = "some/config.json";

function refusal(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return expect.fail("was accepted");
}

/** A value that is built, which must be accepted, beside one that is not. */
type Case = readonly [key: string, built: unknown, other: unknown];

describe("U-Net", () => {
  const own = config("tiny-sd15", "unet", "config.json");

  test.each<Case>([
    ["act_fn", "swish", "gelu"],
    ["addition_embed_type", null, "text"],
    ["attention_type", "default", "gated"],
    ["center_input_sample", false, true],
    ["class_embed_type", null, "timestep"],
    ["class_embeddings_concat", false, true],
    ["conv_in_kernel", 3, 1],
    ["conv_out_kernel", 3, 5],
    ["cross_attention_norm", null, "layer_norm"],
    ["downsample_padding", 1, 0],
    ["dual_cross_attention", false, true],
    ["encoder_hid_dim", null, 32],
    ["encoder_hid_dim_type", null, "text_proj"],
    ["mid_block_only_cross_attention", null, true],
    ["mid_block_scale_factor", 1, 0.5],
    ["mid_block_type", null, "UNetMidBlock2DSimpleCrossAttn"],
    ["num_class_embeds", null, 10],
    ["only_cross_attention", [false, false, false, false], [true, true, true, false]],
    ["resnet_out_scale_factor", 1, 0.7],
    ["resnet_skip_time_act", false, true],
    ["resnet_time_scale_shift", "default", "scale_shift"],
    ["reverse_transformer_layers_per_block", null, [[1], [1], [1], [1]]],
    ["time_embedding_act_fn", null, "silu"],
    ["time_embedding_dim", null, 32],
    ["time_embedding_type", "positional", "fourier"],
    ["timestep_post_act", null, "silu"],
  ])("%s: %j, not %j", (key, built, other) => {
    expect(() => unetConfig({ ...own, [key]: built }, file)).not.toThrow();
    expect(refusal(() => unetConfig({ ...own, [key]: other }, file))).toMatch(new RegExp(`^${file}: "${key}[".]`));
  });

  test.each([
    "attention_head_dim",
    "cross_attention_dim",
    "down_block_types",
    "layers_per_block",
    "num_attention_heads",
    "only_cross_attention",
    "transformer_layers_per_block",
    "up_block_types",
  ])("%s is as long as there are levels", (key) => {
    const values: Record<string, unknown> = {
      down_block_types: "DownBlock2D",
      up_block_types: "UpBlock2D",
      only_cross_attention: false,
    };
    const list = new Array<unknown>(3).fill(values[key] ?? 1);
    const message = refusal(() => unetConfig({ ...own, [key]: list }, file));
    expect(message).toBe(`${file}: "${key}": 3 entries for the 4 levels of block_out_channels.`);
  });

  const shapes = (changed: object) => {
    const { parameters } = unet(unetConfig({ ...own, ...changed }), { height: 8, width: 8 });
    return new Map([...parameters].map(([name, { shape }]) => [name, shape]));
  };

  test("lists of one value are that value", () => {
    const same = { cross_attention_dim: 24, transformer_layers_per_block: 1, attention_head_dim: 8 };
    const lists = Object.fromEntries(Object.entries(same).map(([key, value]) => [key, new Array(4).fill(value)]));
    expect(shapes(lists)).toEqual(shapes(same));
  });

  test("transformers of another depth at each level: down, below and up again", () => {
    const names = [...shapes({ transformer_layers_per_block: [1, 2, 3, 4] }).keys()];
    const depth = (prefix: string) =>
      new Set(names.flatMap((name) => new RegExp(`^${prefix}\\.transformer_blocks\\.(\\d+)`).exec(name)?.[1] ?? []))
        .size;
    expect([0, 1, 2].map((i) => depth(`down_blocks.${i}.attentions.0`))).toEqual([1, 2, 3]);
    expect(depth("mid_block.attentions.0")).toBe(4);
    expect([1, 2, 3].map((i) => depth(`up_blocks.${i}.attentions.0`))).toEqual([3, 2, 1]);
  });

  test("words of one width: a level that does not look at them may say another", () => {
    const mid = { mid_block_type: null };
    expect(unetConfig({ ...own, ...mid, cross_attention_dim: [24, 24, 24, 7] }).cross_attention_dim).toBe(24);
    expect(refusal(() => unetConfig({ ...own, cross_attention_dim: [24, 24, 24, 7] }, file))).toMatch(
      /"cross_attention_dim": levels of different widths, 24, 24, 24, 7/,
    );
  });

  test("heads divide the channels of every level that attends", () => {
    expect(refusal(() => unetConfig({ ...own, attention_head_dim: [8, 5, 8, 8] }, file))).toMatch(
      /"attention_head_dim": 5 heads do not divide the 32 channels of level 1/,
    );
  });

  test("the class's defaults", () => {
    expect(unetConfig({})).toMatchObject({
      sample_size: 64,
      down_block_types: ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
      up_block_types: ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
      cross_attention_dim: 1280,
      heads: [8, 8, 8, 8],
      layers_per_block: [2, 2, 2, 2],
    });
  });
});

test.each<Case>([
  ["act_fn", "swish", "relu"],
  ["latents_mean", null, [0, 0, 0, 0]],
  ["latents_std", null, [1, 1, 1, 1]],
  ["shift_factor", null, 0.1159],
  ["force_upcast", true, undefined],
  ["down_block_types", undefined, ["DownEncoderBlock2D"]],
  ["up_block_types", undefined, ["AttnUpDecoderBlock2D"]],
])("VAE, %s: %j, not %j", (key, built, other) => {
  const own = config("tiny-sd15", "vae", "config.json");
  expect(() => vaeConfig({ ...own, [key]: built }, file)).not.toThrow();
  if (other) expect(refusal(() => vaeConfig({ ...own, [key]: other }, file))).toContain(`${file}: "${key}`);
});

test.each<Case>([
  ["act_fn", "relu", "silu"],
  ["upsample_fn", "nearest", "bilinear"],
  ["upsampling_scaling_factor", 2, 4],
  ["shift_factor", 0, 0.1],
  ["num_encoder_blocks", [1, 3, 3, 3], [1, 3]],
  ["num_decoder_blocks", [3, 3, 3, 1], [3, 3, 3, 1, 1]],
])("tiny VAE, %s: %j, not %j", (key, built, other) => {
  const own = config("tiny-taesd", "config.json");
  expect(() => taesdConfig({ ...own, [key]: built }, file)).not.toThrow();
  expect(refusal(() => taesdConfig({ ...own, [key]: other }, file))).toContain(`${file}: "${key}": `);
});
