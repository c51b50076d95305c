import { clipConfig } from "../../models/index.ts";
import { type ClipModel, clipLesson, clipModel, clipRecipe, type Example } from "../../training/index.ts";
import { readTokenizer } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { remark } from "../errors.ts";
import { storedClip } from "./clip-model.ts";
import { openPictures } from "./data.ts";
import { tokenizerFolder } from "./model.ts";
import type { Wanted } from "./recipe.ts";
import { type Subject, type TrainOptions, teach } from "./teach.ts";

type Kind = typeof clipRecipe;

const subject: Subject<Kind, Example> = {
  kind: clipRecipe,
  things: "pictures",
  async prepare(wanted, cli) {
    const { recipe } = wanted;
    const model = await modelOf(wanted, cli.env);
    const data = await openPictures(recipe, model.config.vision.image_size, cli.signal);
    if (recipe.accumulate > 1) {
      remark(cli, `pairs are told apart within a batch of ${recipe.batch}: --accumulate adds gradients up, not pairs`);
    }
    return { data, lesson: () => clipLesson(model, recipe) };
  },
};

export const trainClip = (options: TrainOptions, cli: Cli): Promise<void> => teach(subject, options, cli);

/** A CLIP that is there, or a described one without weights. */
async function modelOf({ recipe, file }: Wanted<Kind>, env: Cli["env"]): Promise<ClipModel> {
  if (!recipe.model) return storedClip(recipe.from, env);
  const { clip: config, image, tokenizer: source } = recipe.model;
  const { vocab_size: vocabSize } = clipConfig(config, file).text;
  const tokenizer = await readTokenizer(await tokenizerFolder(source, env, "clip"), { vocabSize });
  return clipModel({ clip: { config, configFile: file }, tokenizer, ...(image && { image }) });
}
