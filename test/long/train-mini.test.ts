/** A model from nothing, for minutes: `npm run test:long`. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { isSkipped, type ShapesOptions, shapePairs, shapes } from "../../src/training/index.ts";
import { recipeFile, trainMini } from "../support/train-mini.ts";

const out = mkdtempSync(join(tmpdir(), "inkling-mini-"));
afterAll(() => rmSync(out, { recursive: true }));

const recipe = JSON.parse(readFileSync(recipeFile, "utf8")) as { data: { shapes: ShapesOptions } };

it("the pairs that it is judged on are not in the data", async () => {
  const { colors, shapes: forms } = recipe.data.shapes;
  const heldOut = shapePairs({ colors, shapes: forms, split: "heldout" }).map(
    ({ color, shape }) => `${color} ${shape}`,
  );
  expect(heldOut.length).toBeGreaterThan(2);
  const data = shapes(recipe.data.shapes);
  const learnt = new Set<string>();
  for (let i = 0; i < data.length; i++) {
    const example = await data.at(i, { chance: Math.random });
    if (isSkipped(example)) throw new Error(example.skipped);
    const { color, shape } = example.attributes as { color: string; shape: string };
    learnt.add(`${color} ${shape}`);
    for (const pair of heldOut) expect(example.caption).not.toContain(pair);
  }
  for (const pair of heldOut) {
    expect(learnt).not.toContain(pair);
    // Each word of it is learnt, in other company.
    for (const word of pair.split(" ")) expect([...learnt].some((other) => other.split(" ").includes(word))).toBe(true);
  }
});

it("draws pairs of colour and shape that it never saw", async () => {
  const { minutes, trained, untrained } = await trainMini(join(out, "mini"), { pictures: 240 });
  // Two cores take 5.2 of them.
  expect(minutes).toBeLessThanOrEqual(10);
  expect(trained.of).toBeGreaterThanOrEqual(200);
  expect(trained.both).toBeGreaterThanOrEqual(0.8);
  expect(untrained.of).toBe(trained.of);
  expect(untrained.both).toBeLessThan(0.15);
}, 3_600_000);
