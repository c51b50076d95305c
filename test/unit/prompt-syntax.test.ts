/** What the tables of fixtures/prompts do not hold: positions, errors, sizes, rows of another length. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InputError } from "../../src/tensor/index.ts";
import {
  chunkPrompt,
  createClipTokenizer,
  PromptError,
  type PromptNode,
  parseAttention,
  parseComposition,
  parseSchedule,
  readPrompt,
  scheduleOf,
} from "../../src/text/index.ts";

const merges = readFileSync(new URL("../../assets/clip/merges.txt", import.meta.url), "utf8");

/** Prompts made of what the syntax is made of. */
const prompts = fc
  .array(
    fc.constantFrom(
      ...[
        "(",
        ")",
        "[",
        "]",
        ":",
        "|",
        "\\",
        ",",
        " ",
        "a",
        "blue",
        "BREAK",
        " AND ",
        "1.2",
        "0.5",
        "-1",
        "3",
        "1e999",
        "😀",
      ],
    ),
    { maxLength: 30 },
  )
  .map((pieces) => pieces.join(""));

describe("positions", () => {
  test("every node stands where it says, in parts of a composition too", () => {
    const prompt = "a [red:blue:0.5] cat AND [x|[y::3]|z] :1.2";
    const nodes = parseComposition(prompt).flatMap(({ text, at }) => parseSchedule(text, { at }));
    const texts: string[] = [];
    const check = (node: PromptNode): void => {
      if (node.type === "text") {
        expect(prompt.slice(node.at, node.at + node.text.length)).toBe(node.text);
        texts.push(node.text);
        return;
      }
      expect(prompt[node.at]).toBe("[");
      expect(prompt[node.end - 1]).toBe("]");
      for (const child of node.type === "edit" ? [...node.from, ...node.to] : node.options.flat()) check(child);
    };
    nodes.forEach(check);
    expect(texts.filter((text) => /\w/.test(text))).toEqual(["a ", "red", "blue", " cat", "x", "y", "z"]);
  });

  test("a weight's words are found again behind an edit, an escape and a line break", () => {
    const prompt = "\\(a\n[one:two:1] (words:1.3) [more]";
    const found = readPrompt(prompt, { steps: 4 })[0]!.stages.map(({ fragments }) =>
      fragments.map(({ text, at }) => [text, prompt.slice(at, at + 3)]),
    );
    expect(found).toEqual([
      [
        ["(a\none ", "\\(a"],
        ["words", "wor"],
        [" ", " [m"],
        ["more", "mor"],
      ],
      [
        ["(a\ntwo ", "\\(a"],
        ["words", "wor"],
        [" ", " [m"],
        ["more", "mor"],
      ],
    ]);
  });
});

describe("errors", () => {
  test.each([
    ["a (cat:1e999)", "1e999", 8],
    ["a (cat:1.2.3)", "1.2.3", 8],
    [`(cat:${"9".repeat(400)})`, "9999", 6],
    ["a [b:c:-1]", "-1", 8],
    ["[a:[b:c: -0.5 ]:2]", "-0.5", 10],
    ["[x:y:1e999]", "1e999", 6],
    ["[red:blue:3] (a:1..2)", "1..2", 17],
    ["a AND (b:1.2) c :1e400", "1e400", 18],
    ["a AND (b:1e39)", "1e39", 10],
    [`${"((".repeat(1000)}a`, "a", 2001],
  ])("%j is refused by its place", (prompt, shown, character) => {
    let error: unknown;
    try {
      readPrompt(prompt, { steps: 10 });
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(PromptError);
    expect(error).toBeInstanceOf(InputError);
    const { at, end, message } = error as PromptError;
    expect([at + 1, prompt.slice(at, end).slice(0, shown.length)]).toEqual([character, shown]);
    expect(message).toContain(`The prompt is wrong at character ${character}, "${shown}`);
  });

  test("the negative prompt is named, and AND is a word in it", () => {
    const negative = { steps: 10, composition: false, name: "negative prompt" };
    expect(() => readPrompt("(a:1e999)", negative)).toThrow(/^The negative prompt is wrong at character 4/);
    expect(readPrompt("a AND b", negative).map(({ stages }) => stages[0]!.text)).toEqual(["a AND b"]);
  });

  test("brackets are never wrong, whatever they hold; what is wrong stands where the error says", () => {
    fc.assert(
      fc.property(prompts, (prompt) => {
        try {
          const parts = readPrompt(prompt, { steps: 5 });
          for (const { stages } of parts) {
            expect(stages.at(-1)!.until).toBe(5);
            expect(stages.every(({ fragments }) => fragments.length > 0)).toBe(true);
          }
        } catch (error) {
          if (!(error instanceof PromptError)) throw error;
          expect(prompt.slice(error.at, error.end)).toMatch(/-1|1e999|\.|\d/);
        }
      }),
      { numRuns: 2000, seed: 1 },
    );
  });

  test.each([")", "[", "]", "[]", "()", "[a:", "|", "\\(", ":1)", "[a:b:3]"])(
    "many of %s are read at once",
    (piece) => {
      const start = performance.now();
      const [part] = readPrompt(`${piece.repeat(5_000)}a`, { steps: 10 });
      expect(performance.now() - start).toBeLessThan(2000);
      expect(part!.stages[0]!.fragments.at(-1)!.text).toContain("a");
    },
  );
});

describe("what the tables do not say", () => {
  const textsOf = (prompt: string, steps = 10) =>
    scheduleOf(parseSchedule(prompt), steps).map(({ until, text }) => [until, text]);

  test.each([
    [
      "((a][:b:c [d:3]",
      [
        [3, "((a][:b:c "],
        [10, "((a][:b:c d"],
      ],
    ],
    ["[a:b]", [[10, "[a:b]"]]],
    ["[a:b:c:3]", [[10, "[a:b:c:3]"]]],
    ["[a:b:0]", [[10, "b"]]],
    ["[a:b:20]", [[10, "a"]]],
    [
      "[(10:30:1.1):b:3]",
      [
        [3, "(10:30:1.1)"],
        [10, "b"],
      ],
    ],
    [
      "a | b [c:d:3]",
      [
        [3, "a | b c"],
        [10, "a | b d"],
      ],
    ],
    ["\\[a:b:3\\]", [[10, "\\[a:b:3\\]"]]],
    [
      "[a\\|b|c]",
      [
        [1, "a\\|b"],
        [2, "c"],
      ],
    ],
  ] as const)("%j", (prompt, texts) => expect(textsOf(prompt, texts.at(-1)![0])).toEqual(texts));

  test("a break is one inside of brackets too, and keeps its weight", () => {
    expect(parseAttention("(a BREAK b:1.2)").map(({ text, weight, isBreak }) => [text, weight, isBreak])).toEqual([
      ["a", 1.2, false],
      ["BREAK", -1, true],
      ["b", 1.2, false],
    ]);
  });

  test("a number at the end is a part's weight only where AND composes", () => {
    expect(parseComposition("a clock at 10:30")).toEqual([{ text: "a clock at 10:30", weight: 1, at: 0 }]);
    expect(parseComposition("a AND b:-.5")).toEqual([
      { text: "a", weight: 1, at: 0 },
      { text: "b", weight: -0.5, at: 6 },
    ]);
  });

  test("rows are as long as the tokenizer's, at any length of the prompt", () => {
    const words = Array.from({ length: 40 }, (_, i) => (i % 7 === 6 ? "," : "word")).join(" ");
    for (const maxLength of [3, 16, 77, 248]) {
      const tokenizer = createClipTokenizer({ merges, maxLength });
      const rows = chunkPrompt(parseAttention(`(${words}:1.2) BREAK end`), tokenizer, { backtrack: 2 });
      for (const { ids, weights } of rows) {
        expect([ids.length, weights.length]).toEqual([maxLength, maxLength]);
        expect([ids[0], weights[0]]).toEqual([tokenizer.bosId, 1]);
        expect(ids).toContain(tokenizer.eosId);
      }
      const text = rows
        .map(({ ids }) => tokenizer.decode(ids))
        .join(" ")
        .trim();
      expect(text.replace(/\s+/g, " ")).toBe(`${words} end`);
    }
  });
});
