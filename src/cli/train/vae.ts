import { join } from "node:path";
import { resolveModel } from "../../hub/index.ts";
import {
  type Distance,
  type Example,
  reconstructed,
  type VaeModel,
  type VaeParts,
  vaeLesson,
  vaeModel,
  vaeRecipe,
  type WholeRecipe,
} from "../../training/index.ts";
import { openModelPart } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { examplesOf, openData, sidesOf } from "./data.ts";
import { checkpointParts, isThere } from "./model.ts";
import type { PictureFlags, Wanted } from "./recipe.ts";
import { saveSheet } from "./samples.ts";
import { type Subject, type TrainOptions, teach } from "./teach.ts";

export interface VaeOptions extends TrainOptions, PictureFlags {
  readonly distance?: Distance;
  readonly klWeight?: number;
  readonly discriminator?: number;
  readonly discriminatorStart?: number;
  readonly samplesEvery?: number;
}

type Kind = typeof vaeRecipe;

/** Pictures of the data that a sheet shows, each beside what is made of it. */
const SAMPLES = 4;
/** As LDM teaches with a discriminator: a longer memory would keep what another one said. */
const ADVERSARIAL = { beta1: 0.5, beta2: 0.9 };

const subject: Subject<Kind, Example> = {
  kind: vaeRecipe,
  things: "pictures",
  async prepare(wanted, cli) {
    const { recipe } = wanted;
    const model = vaeModel(await partsOf(wanted, cli.env));
    const size = pixelsOf(recipe, model);
    const data = await openData({ ...recipe, caption: "" }, size, cli.signal);
    return {
      data,
      lesson: () => vaeLesson(model, { ...recipe, ...size }),
      optimizer: recipe.discriminator > 0 ? ADVERSARIAL : {},
      samples: {
        every: recipe.samplesEvery,
        open: async ({ runtime, log }) => {
          const pictures = (await examplesOf(data, SAMPLES)).map(({ picture }) => picture);
          return async (step, folder) => {
            const part = await openModelPart(model.checkpoint ? join(folder, "vae") : folder);
            const made = await reconstructed(part, pictures, runtime);
            const cells = pictures.flatMap((picture, i) => [{ picture }, { picture: made[i]! }]);
            return [await saveSheet(cells, { step, folder, log, columns: 4 })];
          };
        },
      },
    };
  },
};

export const trainVae = (options: VaeOptions, cli: Cli): Promise<void> => teach(subject, options, cli);

/** A VAE that is there, alone or in a checkpoint, or a described one without weights. */
async function partsOf({ recipe, file }: Wanted<Kind>, env: Cli["env"]): Promise<VaeParts> {
  if (recipe.model) return { vae: { config: recipe.model.vae, configFile: file } };
  const { path } = await resolveModel(recipe.from, env);
  if (!(await isThere(join(path, "model_index.json"))) && (await isThere(join(path, "config.json")))) {
    return { vae: await openModelPart(path) };
  }
  const checkpoint = await checkpointParts(path);
  return { vae: checkpoint.vae!, checkpoint };
}

/** The size to learn at: what was asked for, else what the VAE was made for. */
function pixelsOf({ size }: WholeRecipe<Kind>, { vae }: VaeModel): { width: number; height: number } {
  const { sample_size: own = 256 } = vae.config;
  return sidesOf(size ?? (typeof own === "number" ? own : 256));
}
