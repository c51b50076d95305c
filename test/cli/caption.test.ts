/** `inkling caption` and `inkling vary` as processes, with the embedded models and with captioners that are none. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { decodePicture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { expectOneMessage, run, workingFolder } from "../support/binary.ts";
import { path } from "../support/fixtures.ts";

const work = workingFolder();
const golden = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
const embedded = (name: string) => fileURLToPath(new URL(`../../models/inkdrop-256/${name}`, import.meta.url));
const said = JSON.parse(readFileSync(golden("captions.json"), "utf8")) as { text: string }[];
const [lady, man] = [golden("captions/1.png"), golden("captions/2.png")];

describe("caption", () => {
  it("says what transformers says of the pictures", async () => {
    const done = await run(["caption", lady, man], work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toBe(`${lady}: ${said[0]!.text}\n${man}: ${said[1]!.text}\n`);
    expect(done.stderr).toBe("");
  });

  it("gives the same captions from the same seed", async () => {
    const several = ["caption", lady, "--count", "3", "--seed", "8", "--json"];
    const [first, again] = [await run(several, work), await run(several, work)];
    expect(first.code, first.stderr).toBe(0);
    expect(again.stdout).toBe(first.stdout);
    const { captions, seed } = JSON.parse(first.stdout) as {
      captions: { text: string; score: number }[];
      seed: number;
    };
    expect(new Set(captions.map(({ text }) => text)).size).toBe(3);
    expect(captions[0]!.score).toBeGreaterThanOrEqual(captions[2]!.score);
    expect(seed).toBe(8);
  });

  /** The embedded captioner with some of its files, and its config.json changed. */
  function captioner(files: readonly string[], change: (prefix: Record<string, unknown>) => unknown) {
    const folder = work.path("c");
    mkdirSync(folder);
    mkdirSync(work.path("gpt2"));
    for (const name of files) symlinkSync(embedded(`captioner/${name}`), join(folder, name));
    for (const name of ["vocab.json", "merges.txt"]) copyFileSync(embedded(`gpt2/${name}`), work.path("gpt2", name));
    const config = JSON.parse(readFileSync(embedded("captioner/config.json"), "utf8")) as Record<string, unknown>;
    config["inkling_prefix"] = change(config["inkling_prefix"] as Record<string, unknown>);
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    return folder;
  }
  const all = ["model.safetensors", "prefix.safetensors"];

  it("takes a captioner's folder", async () => {
    const done = await run(["caption", man, "--captioner", captioner(all, (prefix) => prefix)], work);
    expect(done.stdout).toBe(`${said[1]!.text}\n`);
  });

  it.each([
    ["no prefix", ["model.safetensors"], {}, "holds no prefix.safetensors, so it is no captioner"],
    ["no configuration of one", all, undefined, '"inkling_prefix": missing, so this is no captioner'],
    ["an unknown key", all, { mapping: "transformer" }, '"inkling_prefix": Unrecognized key: "mapping"'],
    ["a prefix of another length", all, { tokens: 9 }, "fc2.weight should have the shape [2304,1024]"],
    ["a prefix that leaves no room", all, { tokens: 127 }, "leaves no room for a caption in 128 positions"],
  ] as const)("refuses a captioner with %s", async (_, files, change, message) => {
    const folder = captioner(files, (prefix) => change && { ...prefix, ...change });
    const done = await run(["caption", lady, "--captioner", folder], work);
    expectOneMessage(done, message);
    expect(done.code).toBe(1);
  });

  it("refuses a CLIP that the captioner does not know", async () => {
    const done = await run(["caption", lady, "--clip", path("vision", "model")], work);
    expectOneMessage(done, "inkdrop-captioner wants embeddings of 256 numbers, and the CLIP", "name the CLIP");
    expect(done.code).toBe(1);
  });

  it("refuses a model of another kind", async () => {
    const done = await run(["caption", lady, "--captioner", "inkdrop-gpt2"], work);
    expectOneMessage(done, '"inkdrop-gpt2" writes prompts', "describes pictures: inkdrop-captioner");
    expect(done.code).toBe(1);
  });
});

describe("vary", () => {
  it("describes, edits and draws again; the picture tells both", async () => {
    const flags = ["--replace", "blue eyes=green eyes", "--steps", "2", "--size", "64", "--seed", "3", "-o", "v.png"];
    const done = await run(["vary", lady, ...flags], work);
    expect(done.code, done.stderr).toBe(0);
    const edited = said[0]!.text.replace("blue eyes", "green eyes");
    expect(done.said.slice(0, 2)).toEqual([`caption: ${said[0]!.text}`, `prompt: ${edited}`]);
    expect(done.stdout).toBe("v.png\n");
    const bytes = readFileSync(work.path("v.png"));
    const { prompt, settings, fields } = parseInfotext(readMetadata(bytes, "v.png").infotext!);
    expect([prompt, fields.get("Caption")]).toEqual([edited, said[0]!.text]);
    expect(settings).toMatchObject({ seed: 3, steps: 2, width: 64, height: 64 });
    expect(fields.get("Denoising strength")).toBe("0.7");
    expect(await decodePicture(bytes, "v.png")).toMatchObject({ width: 64, height: 64 });
  });
});
