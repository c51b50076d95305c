import { describe, expect, it } from "vitest";
import { didYouMean } from "../../src/hub/nearest.ts";
import { defined } from "../../src/tensor/index.ts";
import { literally, wholeWords } from "../../src/text/index.ts";

describe("whole words", () => {
  it.each([
    ["cat", "a Cat, a catalogue, CAT", ["Cat", "CAT"]],
    ["blue  eyes", "Blue\neyes and blue eyesight", ["Blue\neyes"]],
    [", 8k", "sharp, 8k", [", 8k"]],
    [", 8k", "sharp, 8km", []],
    ["(a+b)", "x(a+b)y", ["(a+b)"]],
    ["été", "étés, Été", ["Été"]],
  ])("%j in %j", (phrase, text, found) => {
    expect([...text.matchAll(wholeWords(phrase))].map(([match]) => match)).toEqual(found);
  });

  it("mean every sign literally", () => {
    const signs = "\\^$.*+?()[]{}|/";
    expect(new RegExp(`^${literally(signs)}$`, "u").test(signs)).toBe(true);
  });
});

it("a near name is told, a far one is not", () => {
  expect(didYouMean("eulr", ["euler", "heun"])).toBe(" (Did you mean euler?)");
  expect(didYouMean("eulr", ["euler"], (name) => `__${name}__`)).toBe(" (Did you mean __euler__?)");
  expect(didYouMean("something", ["euler", "heun"])).toBe("");
});

it("what is left open hides nothing", () => {
  expect({ a: 1, b: 2, ...defined({ a: undefined, b: 0, c: "" }) }).toEqual({ a: 1, b: 0, c: "" });
});
