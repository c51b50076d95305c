/** `--init`, `--strength`, `--mask` on the command line. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodePicture, type Picture, parseInfotext, readMetadata } from "../../src/image/index.ts";
import { expectRefusal, runCli } from "../support/cli.ts";

const gradient: Picture = { width: 8, height: 8, data: Uint8Array.from({ length: 192 }, (_, i) => i) };
let folder = "";
let picture = "";
let mask = "";
let out: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-init-"));
  picture = join(folder, "a.png");
  mask = join(folder, "mask.png");
  out = ["-o", join(folder, "out.png"), "--overwrite"];
  await writeFile(picture, await encodePicture(gradient, "png"));
  await writeFile(mask, await encodePicture({ ...gradient, data: new Uint8Array(192).fill(255) }, "png"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (...args: string[]) => runCli(["x", ...out, ...args]);

it("hands on the pixels and what belongs to them", async () => {
  const plain = (await run("--init", picture)).asked[0]!;
  expect([...plain.image!.data]).toEqual([...gradient.data]);
  expect([plain.mask, plain.strength, plain.maskBlur]).toEqual([undefined, undefined, undefined]);
  const all = (await run("--init", picture, "--mask", mask, "--strength", "0.4", "--mask-blur", "2")).asked[0]!;
  expect(all).toMatchObject({ image: { width: 8 }, mask: { width: 8 }, strength: 0.4, maskBlur: 2 });
});

describe("is refused before anything is loaded:", () => {
  it.each([
    ["a mask alone", ["--mask", "m.png"], "--mask needs a picture"],
    ["a strength alone", ["--strength", "0.5"], "--strength needs a picture"],
    ["a mask's blur alone", ["--mask-blur", "0"], "--mask-blur needs a picture"],
    ["a strength above 1", ["--init", "a.png", "--strength", "1.5"], "from 0 to 1"],
    ["a mask's blur that is no number", ["--init", "a.png", "--mask-blur", "soft"], "from 0 to 64"],
  ])("%s", async (_, args, says) => {
    const ran = await run(...args);
    expectRefusal(ran, 2, says);
    expect(ran.loads).toEqual([]);
  });

  it("a mask's blur without the mask, a file that is not there, a file that is no picture", async () => {
    expectRefusal(await run("--init", picture, "--mask-blur", "2"), 2, "--mask-blur needs a mask");
    const missing = await run("--init", join(folder, "none.png"));
    expectRefusal(missing, 1, "none.png", "no such file");
    const text = join(folder, "text.png");
    await writeFile(text, "a lady");
    const other = await run("--init", picture, "--mask", text);
    expectRefusal(other, 1, "text.png is no picture");
    expect([...missing.loads, ...other.loads]).toEqual([]);
  });
});

describe("--from a picture that was drawn from another one", () => {
  const drawn = async (fields: string, ...args: string[]) => {
    const file = join(folder, "drawn.png");
    await writeFile(file, await encodePicture(gradient, "png", `a house\nSteps: 9, Seed: 7, RNG: CPU, ${fields}`));
    return runCli([...out, "--from", file, ...args]);
  };

  it("takes its strength and blur, if the pictures are given", async () => {
    const fields = "Denoising strength: 0.35, Mask blur: 7";
    const both = await drawn(fields, "--init", picture, "--mask", mask);
    expect(both.asked[0]).toMatchObject({ strength: 0.35, maskBlur: 7, prompt: "a house", seed: 7 });
    expect(both.stderr).not.toMatch(/--init|--mask/);
    const other = await drawn(fields, "--init", picture, "--mask", mask, "--strength", "0.9", "--mask-blur", "0");
    expect(other.asked[0]).toMatchObject({ strength: 0.9, maskBlur: 0 });
  });

  it("says once which of them is missing", async () => {
    const notes = (ran: { stderr: string }) => ran.stderr.split("\n").filter((line) => /drawn from/.test(line));
    const none = await drawn("Denoising strength: 0.35, Mask blur: 7");
    expect(none.code).toBe(0);
    expect(none.asked[0]!.strength).toBeUndefined();
    expect(notes(none)).toEqual([expect.stringMatching(/another picture.*--init.*--mask/)]);
    const noMask = await drawn("Denoising strength: 0.35, Mask blur: 7", "--init", picture);
    expect(notes(noMask)).toEqual([expect.stringMatching(/a mask.*--mask/)]);
    expect(notes(await drawn("Denoising strength: 0.35"))).toEqual([expect.not.stringContaining("--mask")]);
    expect(notes(await drawn("Seed: 8", "--init", picture))).toEqual([]);
  });

  it("knows A1111's second pass, which starts from no other picture", async () => {
    const { stderr } = await drawn("Denoising strength: 0.5, Hires upscale: 2");
    expect(stderr).toContain("(Hires upscale)");
    expect(stderr).not.toContain("--init");
  });

  it("leaves out a strength that makes no sense", async () => {
    for (const nonsense of ["2", "-1", "much", ""]) {
      const { asked } = await drawn(`Denoising strength: ${nonsense}`, "--init", picture);
      expect(asked[0]!.strength, nonsense).toBeUndefined();
    }
  });
});

it("writes into the picture how far it went", async () => {
  await run("--init", picture, "--mask", mask, "--strength", "0.4");
  const { fields } = parseInfotext(readMetadata(await readFile(out[1]!), "it").infotext!);
  expect(fields.get("Denoising strength")).toBe("0.4");
  expect(fields.get("Mask blur")).toBe("4");
});
