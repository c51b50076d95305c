/** The run of `npm run train:mini`, cut to half a minute: enough to tell it from a model that learnt nothing. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { workingFolder } from "../support/binary.ts";
import { recipeFile, trainMini } from "../support/train-mini.ts";

const work = workingFolder();

it("draws more of what it never saw than a model that did not learn", async () => {
  const recipe = JSON.parse(readFileSync(recipeFile, "utf8"));
  const short = {
    ...recipe,
    model: { ...recipe.model, defaults: { ...recipe.model.defaults, steps: 8 } },
    data: { shapes: { ...recipe.data.shapes, count: 128 } },
    steps: 120,
    warmUp: 20,
    ema: 0.95,
  };
  writeFileSync(work.path("recipe.json"), JSON.stringify(short));
  const { trained, untrained } = await trainMini(work.path("mini"), { pictures: 24, config: work.path("recipe.json") });
  const score = ({ color, shape }: typeof trained) => (color + shape) / 2;
  expect(score(trained)).toBeGreaterThan(score(untrained) + 0.1);
}, 300_000);
