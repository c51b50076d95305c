import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readAhead } from "../../src/runtime/prepared-reading.ts";

const folder = mkdtempSync(join(tmpdir(), "inkling-reading-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("reads all that comes from a disk, and nothing that is in memory", async () => {
  const file = join(folder, "weights.bin");
  writeFileSync(file, "w");
  const size = 2 * 64 * 2 ** 20 + 123;
  truncateSync(file, size);
  expect(await readAhead(file, 0)).toBe(size);
  expect(await readAhead(file, Infinity)).toBe(0);
});

it("says nothing of a file that is not there", async () => {
  expect(await readAhead(join(folder, "none"))).toBe(0);
});
