import { describe, expect, test } from "vitest";
import { createBan, parseBanList } from "../../src/pipelines/ban-list.ts";
import { type WriteEvent, type Writer, type WriteSettings, writeTexts } from "../../src/pipelines/writing.ts";
import type { Gpt2Tokenizer } from "../../src/text/index.ts";

/** Every piece a token; what is no piece is spelt by characters. */
const pieces = ["<|endoftext|>", ..." abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,0123456789\n\t-\x07"];
pieces.push(" cat", " dog", " on", " red", "s", " a", "cat", "boat", " boat", " CAT", " Cat");
const tokenizer: Gpt2Tokenizer = {
  eosId: 0,
  vocabSize: pieces.length,
  encode(text) {
    const ids: number[] = [];
    for (let at = 0; at < text.length; ) {
      const fitting = pieces.filter((piece) => text.startsWith(piece, at)).sort((a, b) => b.length - a.length);
      ids.push(pieces.indexOf(fitting[0]!));
      at += fitting[0]!.length;
    }
    return ids;
  },
  decode: (ids) => ids.map((id) => pieces[id]).join(""),
  token: (id) => pieces[id]!,
};
const id = (piece: string) => pieces.indexOf(piece);

/**
 * A model that writes one script after the other, a piece a token; after the last piece the text ends. What a script says
 * is a million times likelier than the rest, of which a later piece is likelier.
 */
function scripted(scripts: readonly (readonly string[])[], score?: Writer["score"]) {
  const rounds: { size: number; closed: boolean }[] = [];
  const writer: Writer = {
    name: "fake",
    positions: 64,
    tokenizer,
    score,
    read() {
      const first = rounds.reduce((sum, round) => sum + round.size, 0);
      const round = { size: 0, closed: false };
      rounds.push(round);
      let step = 0;
      return {
        async readOn(tokens) {
          round.size = tokens.length;
          const logits = new Float32Array(tokens.length * pieces.length);
          for (const row of tokens.keys()) {
            const wanted = id(scripts[(first + row) % scripts.length]![step] ?? "<|endoftext|>");
            for (let i = 0; i < pieces.length; i++) logits[row * pieces.length + i] = i === wanted ? 40 : i / 100;
          }
          step++;
          return logits;
        },
        close: () => {
          round.closed = true;
        },
      };
    },
  };
  return { writer, rounds };
}

async function all(writer: Writer, settings: WriteSettings) {
  const events: WriteEvent[] = [];
  for await (const event of writeTexts(writer, { seed: 5, ...settings })) events.push(event);
  const of = <T extends WriteEvent["type"]>(type: T) =>
    events.filter((event): event is Extract<WriteEvent, { type: T }> => event.type === type);
  return { events, of, prompts: of("prompt"), done: of("done")[0]! };
}

describe("a prompt", () => {
  test("is the beginning as it was typed and what follows; its tokens are those of generate", async () => {
    const { writer, rounds } = scripted([[" on", " a", " boat"]]);
    const { prompts, of, done } = await all(writer, { beginning: "A  red cat", alternatives: 2 });
    expect(prompts).toHaveLength(1);
    const [{ text, tokens, seed, probability }] = prompts as [(typeof prompts)[0]];
    expect(text).toBe("A  red cat on a boat");
    expect(tokens).toEqual([...tokenizer.encode("A  red cat"), id(" on"), id(" a"), id(" boat"), 0]);
    expect(seed).toBe(5);
    expect(probability).toBeGreaterThan(0.999);
    const told = of("token");
    expect(told.map(({ piece }) => piece)).toEqual([" on", " a", " boat", ""]);
    expect(told.map(({ position }) => position)).toEqual([4, 5, 6, 7]);
    expect(told[0]!.alternatives).toHaveLength(2);
    expect(told[0]!.alternatives[0]).toMatchObject({ id: id(" on"), piece: " on" });
    expect(done).toEqual({ type: "done", asked: 1, written: 1, drawn: 1, duplicates: 0, banned: 0 });
    expect(rounds).toEqual([{ size: 1, closed: true }]);
  });

  test("from nothing starts after the end-of-text token, which counts", async () => {
    const { writer } = scripted([[" red", " cat", "s"]]);
    const [prompt] = (await all(writer, {})).prompts;
    expect(prompt).toMatchObject({ text: "red cats", tokens: [0, id(" red"), id(" cat"), id("s"), 0] });
    const [short] = (await all(writer, { maxLength: 3 })).prompts;
    expect(short).toMatchObject({ text: "red cat", tokens: [0, id(" red"), id(" cat")] });
  });

  test("is one line, without control characters", async () => {
    const { writer } = scripted([[" red", "\n", "\n", " cat", "\t", "\x07", "s", "\n"]]);
    expect((await all(writer, { beginning: "A" })).prompts[0]!.text).toBe("A red cat s");
  });

  test("leaves the beginning's last word as it is and adds something to it", async () => {
    const going = scripted([["s", " on"]]).writer;
    expect((await all(going, { beginning: "cat" })).prompts[0]!.text).not.toMatch(/^cat[a-z]/i);
    expect((await all(going, { beginning: "cat", wholeWords: false })).prompts[0]!.text).toBe("cats on");
    expect((await all(going, { beginning: "cat", temperature: 0 })).prompts[0]!.text).toBe("cats on");
    // After a comma there is no word to be made longer.
    expect((await all(going, { beginning: "cat," })).prompts[0]!.text).toBe("cat,s on");
    const ending = scripted([[]]).writer;
    expect((await all(ending, { beginning: "cat" })).prompts[0]!.text).not.toBe("cat");
    expect((await all(ending, { beginning: "cat", wholeWords: false })).prompts[0]!.text).toBe("cat");
    expect((await all(ending, { beginning: "cat", temperature: 0 })).prompts[0]!.text).toBe("cat");
  });

  test("a space at the end of the beginning ends its word", async () => {
    const { writer } = scripted([["s", " on"]]);
    for (const temperature of [0, 1]) {
      const [prompt] = (await all(writer, { beginning: "cat ", temperature })).prompts;
      expect(prompt!.text).toMatch(/^cat \S/);
      expect(prompt!.tokens[0]).toBe(id("cat"));
    }
  });
});

describe("several prompts", () => {
  const three = [[" cat"], [" CAT"], [" ", " cat"], [" dog"], [" boat"]];

  test("are never the same but for casing and spaces; each tells the seed that it can be drawn alone with", async () => {
    const { writer, rounds } = scripted(three);
    const { prompts, of, done } = await all(writer, { beginning: "A", count: 3 });
    expect(prompts.map(({ text }) => text)).toEqual(["A cat", "A dog", "A boat"]);
    expect(prompts.map(({ seed }) => seed)).toEqual([5, 8, 9]);
    expect(prompts.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(of("refused").map(({ seed, reason, text }) => [seed, reason, text])).toEqual([
      [6, "duplicate", "A CAT"],
      [7, "duplicate", "A  cat"],
    ]);
    expect(done).toEqual({ type: "done", asked: 3, written: 3, drawn: 5, duplicates: 2, banned: 0 });
    expect(rounds.map(({ size }) => size)).toEqual([3, 2]);
  });

  test("end where nothing new comes, after a bounded number of draws", async () => {
    const { prompts, done } = await all(scripted([[" cat"]]).writer, { beginning: "A", count: 2 });
    expect(prompts).toHaveLength(1);
    expect(done).toEqual({ type: "done", asked: 2, written: 1, drawn: 24, duplicates: 23, banned: 0 });
    const greedy = await all(scripted([[" cat"]]).writer, { beginning: "A", count: 2, temperature: 0 });
    expect(greedy.done).toEqual({ type: "done", asked: 2, written: 1, drawn: 1, duplicates: 0, banned: 0 });
  });

  test("come in the order of their seeds, however long they are", async () => {
    const { writer } = scripted([[" cat", " on", " a", " boat"], [" dog"]]);
    const { prompts } = await all(writer, { beginning: "A", count: 2 });
    expect(prompts.map(({ text }) => text)).toEqual(["A cat on a boat", "A dog"]);
  });

  test("are the closest of more candidates, told with their scores", async () => {
    const asked: unknown[] = [];
    const { writer } = scripted([[" cat"], [" dog"], [" boat"]], async (beginning, texts) => {
      asked.push([beginning, texts]);
      return texts.map((text) => ({ "A cat": 0.1, "A dog": 0.7, "A boat": 0.4 })[text]!);
    });
    const { prompts, done } = await all(writer, { beginning: "A", count: 2, candidates: 3 });
    expect(asked).toEqual([["A", ["A cat", "A dog", "A boat"]]]);
    expect(prompts.map(({ text, score, index, seed }) => [text, score, index, seed])).toEqual([
      ["A dog", 0.7, 0, 6],
      ["A boat", 0.4, 1, 7],
    ]);
    expect(done.written).toBe(2);
    // Nothing to be close to.
    const nothing = await all(writer, { count: 2, candidates: 3 });
    expect(nothing.prompts.map(({ score }) => score)).toEqual([undefined, undefined]);
    expect(asked).toHaveLength(1);
  });
});

describe("a ban list", () => {
  test("is a word or phrase a line, remarks apart", () => {
    expect(parseBanList("\ufeffcat\r\n# birds\n\n  red   dog  # no red dogs\nC# \n#tag")).toEqual([
      "cat",
      "red dog",
      "C#",
    ]);
  });

  test("covers forms with and without a space before and in other casings", () => {
    const { sequences } = createBan(["cat"], tokenizer);
    for (const form of [" cat", "cat", " CAT", " Cat", "Cat", "CAT"]) {
      expect(sequences, form).toContainEqual(tokenizer.encode(form));
    }
  });

  test("finds whole words only, and only what reaches beyond the beginning", () => {
    const { find } = createBan(["cat", "red dog", ",8k"], tokenizer);
    expect(find("a catalogue of bobcats", 0)).toBeUndefined();
    expect(find("a Cat.", 0)).toBe("cat");
    expect(find("a RED\n dog", 0)).toBe("red dog");
    expect(find("dog,8k", 0)).toBe(",8k");
    expect(find("my cat on a boat", 6)).toBeUndefined();
    expect(find("my cat on a cat", 6)).toBe("cat");
    expect(find("a red dog", 5)).toBe("red dog");
  });

  test("what is spelt in another way is drawn again; the beginning may hold what is banned", async () => {
    const spelt = [[" ", "c", "a", "t"], [" boat"]];
    const { prompts, of, done } = await all(scripted(spelt).writer, { beginning: "A cat on", ban: ["cat"] });
    expect(prompts.map(({ text, seed }) => [text, seed])).toEqual([["A cat on boat", 6]]);
    expect(of("refused")).toEqual([
      { type: "refused", draw: 0, seed: 5, text: "A cat on cat", reason: "banned", phrase: "cat" },
    ]);
    expect(done.banned).toBe(1);
  });

  test("rules tokens out where nothing else helps, and at temperature 0", async () => {
    const { prompts, of, done } = await all(scripted([[" cat"]]).writer, { beginning: "A", ban: ["cat"] });
    expect(prompts).toMatchObject([{ steered: true, seed: 16 }]);
    expect(prompts[0]!.text).not.toContain("cat");
    expect(done).toMatchObject({ written: 1, drawn: 12, banned: 11 });
    expect(of("refused").every(({ reason }) => reason === "banned")).toBe(true);
    const greedy = await all(scripted([[" cat"]]).writer, { beginning: "A", ban: ["cat"], temperature: 0 });
    expect(greedy.of("token")[0]!.id).not.toBe(id(" cat"));
    expect(greedy.prompts[0]!.steered).toBeUndefined();
  });
});

describe("what makes no sense is refused at once", () => {
  const refuse = (settings: WriteSettings) => () => writeTexts(scripted([[]]).writer, settings);

  test.each<[string, WriteSettings, RegExp]>([
    ["a beginning that fills the prompt", { beginning: "cat on", maxLength: 2 }, /takes 2 of the 2 tokens.*Allow more/],
    ["a beginning that fills the model", { beginning: "c".repeat(64) }, /takes 64 of the 64.*64 positions: begin with/],
    ["room for nothing", { maxLength: 1 }, /end-of-text token.*takes 1 of the 1/],
    ["more than the model holds", { maxLength: 65 }, /65 tokens, and fake has 64 positions/],
    ["no prompt at all", { count: 0 }, /number of prompts is 0.*from 1/],
    ["fewer candidates than prompts", { count: 3, candidates: 2 }, /2 candidates are fewer than the 3/],
    ["a seed that is no number", { seed: 1.5 }, /seed is 1.5/],
    ["a temperature below 0", { temperature: -1 }, /temperature is -1/],
  ])("%s", (_, settings, message) => {
    expect(refuse(settings)).toThrow(message);
  });
});
