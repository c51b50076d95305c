/** `inkling write` as a process: ids of transformers, one prompt a line, refusals, Ctrl-C. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createGpt2Tokenizer } from "../../src/text/index.ts";
import { readTokenizer } from "../../src/weights/index.ts";
import { expectOneMessage, model as plain, run, start, workingFolder } from "../support/binary.ts";
import { path, readJson } from "../support/fixtures.ts";

const work = workingFolder();
const model = path("gpt2", "model");

interface Line {
  text: string;
  tokens: number[];
  seed: number;
  probability: number;
}
const linesOf = (stdout: string) =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Line);

describe("a GPT-2 folder", () => {
  it("writes transformers' greedy ids at temperature 0", async () => {
    type Row = { prompt: string; plain: { ids: number[] } };
    const { rows, new_tokens } = readJson<{ rows: Row[]; new_tokens: number }>("gpt2", "greedy.json");
    const tokenizer = createGpt2Tokenizer(await readTokenizer(model));
    for (const { prompt, plain } of rows.slice(0, 4)) {
      const length = tokenizer.encode(prompt).length + new_tokens;
      const done = await run(
        ["write", prompt, "--model", model, "--temperature", "0", "--max-length", String(length), "--json"],
        work,
      );
      expect(done.code, done.stderr).toBe(0);
      const lines = linesOf(done.stdout);
      expect(lines.map(({ tokens }) => tokens)).toEqual([plain.ids]);
      expect(lines[0]!.text.startsWith(prompt)).toBe(true);
    }
  });

  it("writes torch's draws of a seed", async () => {
    type Row = { settings: Record<string, number>; prompt: string; method: string; seed: number; ids: number[] };
    const rows = readJson<Row[]>("gpt2", "sampled.json").filter(({ method }) => method === "multinomial");
    const row = rows.find(({ settings }) => settings["repetition_penalty"])!;
    const flags = Object.entries(row.settings).flatMap(([key, value]) => [
      `--${key.replaceAll("_", "-")}`,
      String(value),
    ]);
    const done = await run(
      ["write", row.prompt, "-m", model, "--no-whole-words", ...flags].concat(
        "--seed",
        String(row.seed),
        "--max-length",
        String(row.ids.length),
        "--json",
      ),
      work,
    );
    expect(done.code, done.stderr).toBe(0);
    expect(linesOf(done.stdout)).toMatchObject([{ tokens: row.ids, seed: row.seed }]);
  });
});

describe("the model that comes along", () => {
  it("writes as many different prompts as asked for, one a line, the same for a seed", async () => {
    const args = ["write", "a", "castle", "--count", "5", "--seed", "3", "--threads", "1"];
    const [first, again] = [await run(args, work), await run([...args, "--quiet"], work)];
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toBe("");
    const lines = first.stdout.trimEnd().split("\n");
    expect(new Set(lines).size).toBe(5);
    for (const line of lines) expect(line).toMatch(/^a castle[ ,]/);
    expect(again.stdout).toBe(first.stdout);
    const other = await run([...args, "--seed", "4", "--json"], work);
    expect(
      linesOf(other.stdout)
        .map(({ text }) => text)
        .slice(0, 4),
    ).toEqual(lines.slice(1));
  });

  it("computes with weights in 8 bits where it is asked to, nearly the same", async () => {
    const probabilities = [];
    for (const weights of ["float32", "8bit"]) {
      const done = await run(
        ["write", "a house", "-t", "0", "--max-length", "6", "--weights", weights, "--json"],
        work,
      );
      expect(done.code, done.stderr).toBe(0);
      probabilities.push(linesOf(done.stdout)[0]!.probability);
    }
    const [exact, rounded] = probabilities as [number, number];
    expect(rounded).not.toBe(exact);
    expect(Math.abs(rounded - exact)).toBeLessThan(0.05);
    const refused = await run(["write", "--weights", "4bit"], work);
    expect(refused.code).toBe(2);
    expectOneMessage(refused, "4bit", "float32", "8bit");
  });

  it("says that candidates without a beginning are compared with nothing", async () => {
    const done = await run(["write", "--candidates", "3", "--seed", "1", "--json"], work);
    expect(done.code, done.stderr).toBe(0);
    expect(linesOf(done.stdout)).toHaveLength(1);
    expect(done.said).toEqual([expect.stringContaining("--candidates are compared with the beginning")]);
  });

  it("refuses a ban list that is no text", async () => {
    writeFileSync(work.path("ban.txt"), Buffer.from([0xff, 0xfe, 0x41, 0x00]));
    const done = await run(["write", "a castle", "--ban", "ban.txt"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "ban.txt is not UTF-8 text");
  });

  it("writes nothing that is banned, and tells the seed that it took", async () => {
    writeFileSync(work.path("ban.txt"), "background # too many of them\nA castle on\n");
    const done = await run(["write", "a castle", "-c", "12", "--ban", "ban.txt"], work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).not.toMatch(/background\b|a castle on\b/i);
    expect(done.stdout.trimEnd().split("\n")).toHaveLength(12);
    expect(done.said).toEqual([expect.stringMatching(/^inkling: seed \d+$/)]);
  });

  it("says why there are fewer", async () => {
    const done = await run(["write", "a castle", "-c", "3", "-t", "0"], work);
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/^a castle[^\n]*\n$/);
    expectNote(done.said, "1 of 3", "temperature 0");
  });
});

function expectNote(said: readonly string[], ...words: string[]): void {
  expect(said).toHaveLength(1);
  for (const word of words) expect(said[0]).toContain(word);
}

describe("is refused in one line", () => {
  it.each<[string, number, string[], string[]]>([
    ["no count", 2, ["x", "--count", "0"], ["--count", "from 1"]],
    ["a folder without a GPT-2", 1, ["x", "-m", "."], ["config.json"]],
    ["a name that is none", 1, ["x", "-m", "gpt3"], ["gpt3"]],
    ["a ban list that is not there", 1, ["x", "--ban", "missing.txt"], ["missing.txt", "no such file"]],
    [
      "a beginning that fills the prompt",
      2,
      ["a", "lady", "with", "blue", "eyes", "--max-length", "3"],
      ["of the 3 tokens"],
    ],
    ["more than the model holds", 2, ["x", "--max-length", "129"], ["129", "128 positions"]],
    ["a temperature below 0", 2, ["x", "--temperature", "-1"], ["--temperature", "0 to 100"]],
  ])("%s", async (_, code, args, words) => {
    const done = await run(["write", ...args], work);
    expect(done.code, done.stderr).toBe(code);
    expectOneMessage(done, ...words);
  });
});

describe("dream", () => {
  it("writes, draws each, and lays them on a sheet; a seed gives the same again", async () => {
    const args = [
      "dream",
      "a castle",
      "--prompts",
      "2",
      "--max-length",
      "12",
      "--model",
      plain,
      "--sampler",
      "Euler",
    ].concat("--steps", "2", "--size", "64", "--seed", "5");
    const first = await run([...args, "-o", "first/"], work);
    expect(first.code, first.stderr).toBe(0);
    const names = ["inkling-00001-5.png", "inkling-00002-6.png", "inkling-00003-5-sheet.png"];
    expect(first.stdout).toBe(names.map((name) => `first/${name}\n`).join(""));
    // What holds for both pictures is said once.
    const remarks = first.said.filter((line) => line.startsWith("inkling: "));
    expect(new Set(remarks).size).toBe(remarks.length);
    expect((await run([...args, "-q", "-o", "again/"], work)).stderr).toBe("");
    const [bytes, again] = ["first", "again"].map((folder) =>
      names.map((name) => readFileSync(work.path(folder, name)).toString("base64")),
    );
    expect(again).toEqual(bytes);
    const written = await run(["write", "a castle", "--count", "2", "--max-length", "12", "--seed", "5"], work);
    const prompts = written.stdout.trimEnd().split("\n");
    for (const [i, name] of names.slice(0, 2).entries()) {
      const info = await run(["info", `first/${name}`, "--json"], work);
      const { prompt, fields } = JSON.parse(info.stdout) as { prompt: string; fields: Record<string, string> };
      expect(prompt).toBe(prompts[i]);
      expect(fields).toMatchObject({ Beginning: "a castle", Writer: "inkdrop-gpt2", "Writer seed": String(5 + i) });
    }
  });
});

it("ends at once with Ctrl-C", async () => {
  const running = start(["write", "a castle", "-c", "2000", "--seed", "1"], work);
  await running.until("a castle");
  running.interrupt();
  const done = await running.finished;
  expect(done.code).toBe(130);
  expect(done.said).toEqual(["inkling: interrupted"]);
  expect(done.stdout.trimEnd().split("\n").length).toBeLessThan(1000);
});
