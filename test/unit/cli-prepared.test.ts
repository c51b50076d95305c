import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { preparedOf } from "../../src/cli/machine.ts";
import { runCli } from "../support/cli.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inkling-cli-prepared-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** An entry of a kilobyte and what is written beside it. */
function entry(digit: string): string {
  const path = join(folder, digit.repeat(64));
  mkdirSync(path);
  writeFileSync(join(path, "graph.onnx"), Buffer.alloc(2 ** 10));
  writeFileSync(join(path, "entry.json"), JSON.stringify({ name: "unet", sizes: { "graph.onnx": 2 ** 10 } }));
  return path;
}

describe("where prepared weights are kept", () => {
  const drawn = async (...args: string[]) =>
    (await runCli(["x", "-q", "-o", join(folder, "x.png"), "--overwrite", ...args])).loads[0]!.options.prepared;

  it("is what the options say", async () => {
    expect(await drawn()).toEqual({});
    expect(await drawn("--prepared", "here")).toEqual({ folder: "here" });
    expect(await drawn("--prepared-limit", "1.5")).toEqual({ limit: 1.5 * 2 ** 30 });
    expect(await drawn("--no-prepared")).toBe(false);
  });

  it("is what the config file says otherwise, seen from its folder", async () => {
    const file = join(folder, "inkling.config.json");
    const config = (prepared: unknown) =>
      writeFileSync(file, JSON.stringify({ defaults: { prepared, preparedLimit: 2 } }));
    config("./kept");
    expect(await drawn("--config-file", file)).toEqual({ folder: join(folder, "kept"), limit: 2 ** 31 });
    expect(await drawn("--config-file", file, "--no-prepared")).toBe(false);
    config(false);
    expect(await drawn("--config-file", file)).toBe(false);
    expect(preparedOf({ prepared: "other" }, { prepared: false })).toEqual({ folder: "other" });
  });

  it.each([["score", "a.png", "words"], ["write", "words"], ["bench"], ["caption", "a.png"]])(
    "can be said to `inkling %s`",
    async (...args) => {
      const refused = await runCli([...args, "--prepared-limit", "-1"]);
      expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("from 0 to")]);
    },
  );
});

describe("doctor and models", () => {
  it("tell how much is kept and where", async () => {
    entry("a");
    entry("b");
    const { stdout } = await runCli(["doctor", "--prepared", folder]);
    expect(stdout).toMatch(/^prepared +2 networks, 0\.0 GiB of at most 20\.0 GiB, in /m);
    expect(stdout).toContain(folder);
    const json = JSON.parse((await runCli(["doctor", "--json"], { env: { INKLING_PREPARED: folder } })).stdout);
    const bytes = expect.any(Number) as number;
    expect(json).toMatchObject({ prepared: { folder, limit: 20 * 2 ** 30, networks: 2, bytes } });
    expect((json as { prepared: { bytes: number } }).prepared.bytes).toBeGreaterThan(2 ** 11);
    const none = await runCli(["doctor"], { env: { INKLING_PREPARED: "off" } });
    expect(none.stdout).toMatch(/^prepared +not kept$/m);
  });

  it("clear what is kept, and nothing else", async () => {
    const [one, two, other] = [entry("a"), entry("b"), join(folder, "letter.txt")];
    writeFileSync(other, "dear");
    const { stdout, code } = await runCli(["models", "--clear-prepared", "--prepared", folder]);
    expect([stdout, code]).toEqual([`removed 2 networks, 0.0 GiB from ${folder}\n`, 0]);
    expect([one, two, other].map(existsSync)).toEqual([false, false, true]);
    entry("c");
    const json = await runCli(["models", "--clear-prepared", "--json"], { env: { INKLING_PREPARED: folder } });
    expect(JSON.parse(json.stdout)).toMatchObject({ folder, networks: 1 });
    const none = await runCli(["models", "--clear-prepared"], { env: { INKLING_PREPARED: "off" } });
    expect([none.stdout, none.code]).toEqual(["removed 0 networks, 0.0 GiB\n", 0]);
  });
});
