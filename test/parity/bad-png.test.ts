import { describe, expect, it } from "vitest";
import { decodePicture, parseInfotext, readMetadata, readPictureFile } from "../../src/image/index.ts";
import { InputError } from "../../src/tensor/index.ts";
import { path, readJson } from "../support/fixtures.ts";

interface Case {
  readonly file: string;
  readonly wrong: string;
  readonly must: string;
}

const cases = readJson<Case[]>("bad", "cases.json").filter(({ file }) => file.startsWith("png/"));

/** What a read may cost, whatever the file claims: far below the 40 MB to 12 GB that the bombs ask for. */
const MOST_BYTES = 64 * 2 ** 20;
const MOST_MILLISECONDS = 1000;

interface Outcome {
  readonly error?: Error;
  readonly infotext?: string;
  readonly notes: readonly string[];
  readonly pixels?: number;
}

/** Reads everything of a picture that is ever read: its texts, their fields, its pixels. */
async function readAll(name: string): Promise<Outcome> {
  let notes: readonly string[] = [];
  try {
    const bytes = await readPictureFile(path("bad", name));
    const metadata = readMetadata(bytes, name);
    notes = metadata.notes;
    if (metadata.infotext !== undefined) parseInfotext(metadata.infotext);
    const picture = await decodePicture(bytes, name);
    return { infotext: metadata.infotext, notes, pixels: picture.width * picture.height };
  } catch (error) {
    return { error: error as Error, notes };
  }
}

describe("bad PNG files", () => {
  it("are there", () => expect(cases.length).toBeGreaterThan(10));

  it.each(cases)("$file ($wrong): $must", async ({ file, must }) => {
    await readAll(cases[0]!.file); // libraries loaded, so that only the file costs
    const before = process.memoryUsage().rss;
    const start = performance.now();
    const { error, infotext, notes, pixels } = await readAll(file);
    expect(performance.now() - start).toBeLessThan(MOST_MILLISECONDS);
    expect(process.memoryUsage().rss - before).toBeLessThan(MOST_BYTES);

    if (error) {
      expect(error).toBeInstanceOf(InputError);
      expect(error.message).toContain(file);
      expect(error.message).not.toContain("\n");
    }
    if (/^reject the text/.test(must)) {
      expect(infotext).toBeUndefined();
      expect(notes).toHaveLength(1);
      expect(notes[0]).toContain(file);
    } else if (must === "reject" || /^reject (without|saying)|^reject, saying/.test(must)) {
      expect(error, "should be rejected").toBeDefined();
    } else if (/^accept/.test(must)) {
      expect(error).toBeUndefined();
      expect(pixels).toBeGreaterThan(0);
    }
    const shown = /([A-Z]\w*) is `(.*)`/.exec(must);
    if (shown) expect(parseInfotext(infotext!).fields.get(shown[1]!)).toBe(shown[2]);
    if (/saying what it is/.test(must)) expect(error?.message).toMatch(/is a [A-Z]+/);
    if (/one of them, always the same/.test(must)) {
      for (let i = 0; i < 3; i++) expect((await readAll(file)).infotext).toBe(infotext);
      expect(infotext).toBeDefined();
    }
  });
});
