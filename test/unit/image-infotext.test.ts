import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type InfotextSettings, parseInfotext, writeInfotext } from "../../src/image/index.ts";

describe("infotext", () => {
  it("is written as A1111 writes it", () => {
    const text = writeInfotext(
      {
        prompt: "a lady with blue eyes",
        negativePrompt: "blurry, dark",
        steps: 20,
        sampler: "DPM++ 2M",
        schedule: "Karras",
        guidance: 7,
        seed: 42,
        width: 512,
        height: 768,
        modelHash: "6ce0161689",
        model: "v1-5-pruned: emaonly, fp16",
        clipSkip: 2,
        rng: "cpu",
        guidanceInterval: [0, 1],
        ngms: 0,
        guidanceRescale: 0,
      },
      { VAE: undefined, Version: "inkling 1" },
    );
    expect(text).toBe(
      "a lady with blue eyes\nNegative prompt: blurry, dark\n" +
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, " +
        'Model hash: 6ce0161689, Model: "v1-5-pruned: emaonly, fp16", Clip skip: 2, RNG: CPU, Version: inkling 1',
    );
  });

  it("reads what A1111 1.10 writes", () => {
    const { prompt, negativePrompt, settings, fields } = parseInfotext(
      "photo of a cat,\n(detailed:1.2)\nNegative prompt: lowres,\nbad hands\n" +
        "Steps: 25, Sampler: DPM++ 2M SDE, Schedule type: Automatic, CFG scale: 7.5, Seed: 1234567890, Size: 640x512, " +
        "Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, Denoising strength: 0.55, RNG: NV, Clip skip: 2, Eta: 0.5, " +
        'Lora hashes: "one: 0a1b, two: 2c3d", TI hashes: "x: 1", Hashes: {"vae": "aa", "model": "bb"}, Version: v1.10.1',
    );
    expect(prompt).toBe("photo of a cat,\n(detailed:1.2)");
    expect(negativePrompt).toBe("lowres,\nbad hands");
    expect(settings).toEqual({
      prompt,
      negativePrompt,
      steps: 25,
      sampler: "DPM++ 2M SDE",
      guidance: 7.5,
      seed: 1234567890,
      width: 640,
      height: 512,
      model: "v1-5-pruned-emaonly",
      modelHash: "6ce0161689",
      rng: "cuda",
      clipSkip: 2,
      eta: 0.5,
    });
    expect(fields.get("Lora hashes")).toBe("one: 0a1b, two: 2c3d");
    expect(fields.get("Hashes")).toBe('{"vae": "aa", "model": "bb"}');
    expect(fields.get("Version")).toBe("v1.10.1");
  });

  it("takes the schedule off an old sampler's name and the GPU's numbers where nothing is said", () => {
    const { settings } = parseInfotext("x\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, Size: 8x8");
    expect(settings).toMatchObject({ sampler: "DPM++ 2M", schedule: "Karras", rng: "cuda" });
  });

  it.each([
    ["no settings at all", "a cat: a dog", "a cat: a dog"],
    ["an empty text", "", ""],
    ["two fields only", "a cat\nSteps: 5, Seed: 1", "a cat"],
    ["settings alone", "Steps: 5, Seed: 1, Size: 8x8", ""],
    ["Windows line ends", "a cat\r\nSteps: 5, Seed: 1, Size: 8x8\r\n", "a cat"],
  ])("reads %s", (_, text, prompt) => expect(parseInfotext(text).prompt).toBe(prompt));

  it("leaves out numbers that are none", () => {
    const { settings } = parseInfotext(`x\nSteps: ${"1".repeat(3000)}, Seed: 0x10, CFG scale: NaN, Size: 1e3x8, Eta: `);
    expect(settings).toEqual({ prompt: "x", negativePrompt: "", rng: "cuda" });
  });

  it("is not fooled by names of an object's own", () => {
    const { fields } = parseInfotext("x\nSteps: 1, __proto__: 2, constructor: 3");
    expect([...fields.keys()]).toEqual(["Steps", "__proto__", "constructor"]);
  });

  const line = fc.string({ unit: "grapheme" });
  const text = fc.oneof(
    line,
    fc
      .array(fc.oneof(line, fc.constantFrom("Negative prompt: no", "Steps: 3, Seed: 1, Size: 8x8", " ", '"')))
      .map((lines) => lines.join("\n")),
    fc.string({ unit: "binary" }),
  );
  const name = fc
    .oneof(fc.constantFrom("Euler a", 'a, b: "c"', '"quoted"', "{x", "DDIM"), text)
    .filter((s) => s !== "");
  const unit = fc.double({ min: 0, max: 1, noNaN: true }).map((x) => x + 0);
  const settings: fc.Arbitrary<InfotextSettings> = fc.record(
    {
      prompt: text,
      negativePrompt: text,
      steps: fc.integer({ min: 1, max: 1000 }),
      guidance: fc.double({ min: -10, max: 100, noNaN: true }).map((x) => x + 0),
      guidanceRescale: unit.filter((x) => x > 0),
      ngms: fc.double({ min: 0, max: 1000, minExcluded: true, noNaN: true }),
      guidanceInterval: fc.tuple(unit, unit).map(([a, b]): [number, number] => (a < b ? [a, b] : [b, a])),
      sampler: name,
      schedule: name.filter((s) => s !== "Automatic"),
      eta: unit,
      seed: fc.maxSafeInteger(),
      rng: fc.constantFrom("cpu" as const, "cuda" as const),
      clipSkip: fc.integer({ min: 1, max: 12 }),
      model: name,
      modelHash: fc.stringMatching(/^[0-9a-f]{10}$/),
    },
    { requiredKeys: ["prompt", "negativePrompt", "steps", "rng", "schedule"] },
  );

  it("comes back as it was written", () => {
    fc.assert(
      fc.property(settings, (wanted) => {
        const got = parseInfotext(writeInfotext(wanted)).settings;
        const { guidanceInterval: interval, ...rest } = wanted;
        const full = interval === undefined || (interval[0] === 0 && interval[1] === 1);
        expect(got).toEqual(full ? rest : wanted);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["open quotes", 'a: "'.repeat(200_000)],
    ["quotes, commas and escapes", `a: "\\\\", `.repeat(20_000)],
    ["open brackets", "a: {, ".repeat(100_000)],
    ["keys without end", `${"a".repeat(400_000)}: `],
    ["commas", ",".repeat(400_000)],
    ["colons", "a:".repeat(200_000)],
    ["spaces", `a: ${" ".repeat(400_000)}b`],
    ["lines", "\n ".repeat(200_000)],
    ["negative prompts", "Negative prompt:\n".repeat(50_000)],
  ])("is read in linear time: %s", (_, evil) => {
    const start = performance.now();
    parseInfotext(`x\nSteps: 1, ${evil}`);
    parseInfotext(evil);
    expect(performance.now() - start).toBeLessThan(1000);
  });
});
