/** What the documents say about the repository, as far as a program can tell. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const made = ["node_modules", "dist", "coverage", ".git", "out"];
const files = readdirSync(root)
  .filter((name) => !made.includes(name))
  .flatMap((name) =>
    statSync(join(root, name)).isDirectory()
      ? readdirSync(join(root, name), { recursive: true }).map((below) => join(name, `${below}`))
      : [name],
  );
const documents = files.filter((path) => path.endsWith(".md") && !path.startsWith("test/fixtures/"));

describe("README.md", () => {
  it("sets up in exactly two lines: one draws, one tests", () => {
    const shell = [...read("README.md").matchAll(/^```(?:sh|bash|shell|console)\n(.*?)^```/gms)].map(
      ([, code]) => code,
    );
    expect(shell).toEqual([
      expect.stringMatching(/^npm ci && .*npx inkling "a lady with blue eyes"\n$/),
      expect.stringMatching(/^npm ci && (.* )?npm test\n$/),
    ]);
  });

  it("names scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const path of ["README.md", "CONTRIBUTING.md"]) {
      for (const [, name] of read(path).matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(name);
      if (/npm test/.test(read(path))) expect(scripts["test"]).toBeDefined();
    }
  });
});

it.each(documents)("%s: every link leads somewhere", (path) => {
  for (const [, target] of read(path).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^(https?:|#)/.test(target!)) continue;
    const [file, anchor] = target!.split("#") as [string, string?];
    const found = join(root, dirname(path), file);
    expect(existsSync(found), `${path} → ${target}`).toBe(true);
    if (!anchor) continue;
    const heads = [...readFileSync(found, "utf8").matchAll(/^#+ (.*)$/gm)].map(([, head]) =>
      head!
        .toLowerCase()
        .replace(/[^\w\s-]/g, "")
        .replace(/\s/g, "-"),
    );
    expect(heads, `${path} → ${target}`).toContain(anchor);
  }
});

it("the documents name files and folders that are there", () => {
  for (const path of documents) {
    for (const [, name] of read(path).matchAll(/`((?:src|test|scripts|bench|docs|examples|assets)\/[\w./-]+)`/g)) {
      expect(existsSync(join(root, name!)), `${path} names ${name}`).toBe(true);
    }
  }
});

it("nothing depends on a place outside of the repository", () => {
  for (const path of files) {
    if (/\.(safetensors|png|jpe?g|webp)$/.test(path) || statSync(join(root, path)).isDirectory()) continue;
    // The name is put together here so that this file does not hold it.
    expect(read(path).includes(["..", "shared"].join("/")), path).toBe(false);
  }
});
