/** models/recipe.json, which teaches the embedded model anew, describes the networks that it has. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { storedClip } from "../../src/cli/train/clip-model.ts";
import { checkpointParts, partsOf, tokenizerFolder } from "../../src/cli/train/model.ts";
import { type Wanted, withPlaces } from "../../src/cli/train/recipe.ts";
import { clipCapConfig } from "../../src/configs/index.ts";
import {
  checkStaged,
  clipModel,
  diffusionModel,
  type diffusionRecipe,
  gpt2Model,
  vaeModel,
} from "../../src/training/index.ts";
import { readTokenizer } from "../../src/weights/index.ts";

const models = fileURLToPath(new URL("../../models/", import.meta.url));
const embedded = join(models, "inkdrop-256");
const json = (...path: string[]) => JSON.parse(readFileSync(join(models, ...path), "utf8"));

const configFile = join(models, "recipe.json");
const recipe = json("recipe.json");
const { vae, small, diffusion, clip, gpt2, captioner } = recipe.stages;
const shipped = diffusionModel(await checkpointParts(embedded));
const tokenizerOf = async (name: string, kind: "clip" | "gpt2", vocabSize: number) =>
  readTokenizer(await tokenizerFolder(name, {}, kind), { vocabSize });

it("is a recipe of several stages, each begun with what those before it wrote", () => {
  expect(Object.keys(checkStaged(recipe, configFile).stages)).toEqual(Object.keys(recipe.stages));
  expect([recipe.stages["vae-whole"].from, diffusion.from, captioner.from]).toEqual(["@vae", "@small", "@gpt2"]);
  expect(recipe.model).toBe("diffusion");
});

// Other keys that are stored beside these may only say what is so without them: whoever reads them sees to that.
describe("describes the embedded model's", () => {
  it("VAE, but for the factor, which is measured", () => {
    const { config } = vaeModel({ vae: { config: vae.model.vae, configFile } });
    const { config: known } = vaeModel({ vae: shipped.vae! });
    expect(known).toMatchObject({ ...config, scaling_factor: known.scaling_factor });
  });

  it("U-Net, text encoder, tokenizer, noise and settings", async () => {
    const described = withPlaces(small, (place) => (place === "@vae-whole" ? embedded : place));
    const wanted = { recipe: described, file: configFile } as Wanted<typeof diffusionRecipe>;
    const model = diffusionModel(await partsOf(wanted, {}));
    expect(shipped.config).toMatchObject(model.config);
    expect(model.noise).toEqual(shipped.noise);
    expect(model.tokenizer).toEqual(shipped.tokenizer);
    expect(shipped.defaults).toMatchObject(model.defaults!);
    expect([small.size, diffusion.size]).toEqual(shipped.defaults!["sizes"]);
    expect(diffusion.size).toBe(small.model.unet.sample_size * model.scale);
  });

  it("CLIP", async () => {
    const { clip: config, image, tokenizer } = clip.model;
    const files = await tokenizerOf(tokenizer, "clip", config.text_config.vocab_size);
    const model = clipModel({ clip: { config, configFile }, image, tokenizer: files });
    const known = await storedClip(join(embedded, "clip"), {});
    expect(model.config).toEqual(known.config);
    expect(model.preparing).toEqual(known.preparing);
    expect(files).toEqual(known.tokenizer);
  });

  it("GPT-2 and captioner", async () => {
    const { gpt2: config, tokenizer } = gpt2.model;
    const files = await tokenizerOf(tokenizer, "gpt2", config.vocab_size);
    const { config: read } = gpt2Model({ gpt2: { config, configFile }, tokenizer: files });
    for (const folder of ["gpt2", "captioner"]) {
      const known = { config: json("inkdrop-256", folder, "config.json"), configFile: folder };
      expect(gpt2Model({ gpt2: known, tokenizer: files }).config, folder).toMatchObject(read);
    }
    expect(gpt2.tokens).toBeLessThanOrEqual(read.n_positions);
    const prefix = clipCapConfig(json("inkdrop-256", "captioner", "config.json"));
    expect([captioner.prefix, clip.model.clip.projection_dim]).toEqual([prefix.tokens, prefix.clip_dim]);
  });
});
