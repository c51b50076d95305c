import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cacheFolder, listModels, MODELS, resolveModel } from "../../src/hub/index.ts";
import { float32, InputError } from "../../src/tensor/index.ts";
import { readSafetensors, writeSafetensors } from "../../src/weights/index.ts";

let folder = "";
let env: Record<string, string> = {};
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "inkling-hub-")));
});
beforeEach(async () => {
  env = { HF_HOME: await mkdtemp(join(folder, "hf-")), HOME: folder };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A snapshot as Hugging Face's libraries keep it: links into blobs/. */
async function snapshot(repository: string, commit: string, files: readonly string[]): Promise<string> {
  const root = join(env["HF_HOME"]!, "hub", `models--${repository.replace("/", "--")}`);
  const at = join(root, "snapshots", commit);
  await mkdir(join(root, "blobs"), { recursive: true });
  for (const [i, file] of files.entries()) {
    const [link, blob] = [join(at, file), join(root, "blobs", `${commit}${i}`)];
    await mkdir(join(link, ".."), { recursive: true });
    if (file.endsWith(".safetensors")) await writeSafetensors(blob, { x: float32([1], [i]) });
    else await writeFile(blob, "{}");
    await symlink(relative(join(link, ".."), blob), link);
  }
  return at;
}

async function refs(repository: string, commit: string): Promise<void> {
  const root = join(env["HF_HOME"]!, "hub", `models--${repository.replace("/", "--")}`, "refs");
  await mkdir(root, { recursive: true });
  await writeFile(join(root, "main"), commit);
}

const CHECKPOINT = ["model_index.json", "unet/diffusion_pytorch_model.safetensors"];

test("where the cache is", () => {
  expect(cacheFolder({ HOME: "/h" })).toBe("/h/.cache/huggingface/hub");
  expect(cacheFolder({ HOME: "/h", XDG_CACHE_HOME: "/x" })).toBe("/x/huggingface/hub");
  expect(cacheFolder({ HOME: "/h", HF_HOME: "~/hf" })).toBe("/h/hf/hub");
  expect(cacheFolder({ HOME: "/h", HF_HOME: "/hf", HF_HUB_CACHE: "/c" })).toBe("/c");
});

describe("the cache", () => {
  test("a short name is found in the first of its repositories that is there", async () => {
    const { name, repositories } = MODELS.find((model) => model.repositories.length > 1)!;
    const last = repositories.at(-1)!;
    const path = await snapshot(last, "aaa", CHECKPOINT);
    expect(await resolveModel(name, env)).toEqual({ name, path, source: "cache", repository: last });
    const first = await snapshot(repositories[0]!, "bbb", CHECKPOINT);
    expect((await resolveModel(name.toUpperCase(), env)).path).toBe(first);
  });

  test("weights are handed out by their real path", async () => {
    await snapshot("org/name", "aaa", CHECKPOINT);
    const { path } = await resolveModel("org/name", env);
    const { tensors } = await readSafetensors(join(path, CHECKPOINT[1]!));
    expect(tensors.get("x")?.file).toBe(join(path, "..", "..", "blobs", "aaa1"));
  });

  test("refs/main decides between snapshots, else the newest", async () => {
    const [old, young] = [await snapshot("org/name", "aaa", CHECKPOINT), await snapshot("org/name", "bbb", CHECKPOINT)];
    await utimes(old, 1000, 1000);
    expect((await resolveModel("org/name", env)).path).toBe(young);
    await refs("org/name", "aaa\n");
    expect((await resolveModel("org/name", env)).path).toBe(old);
    await refs("org/name", "../../../elsewhere");
    expect((await resolveModel("org/name", env)).path).toBe(young);
  });

  test("a short name is found where its repository holds the single file alone", async () => {
    const { name, repositories } = MODELS.find(({ repositories }) => repositories.some((r) => r.startsWith("Comfy")))!;
    const repository = repositories.find((r) => r.startsWith("Comfy"))!;
    const at = await snapshot(repository, "aaa", ["README.md", "v2-1_768-ema-pruned.safetensors"]);
    const path = join(at, "v2-1_768-ema-pruned.safetensors");
    expect(await resolveModel(name, env)).toEqual({ name, path, source: "cache", repository });
    expect((await listModels(env)).find((model) => model.name === name)?.found?.path).toBe(path);
  });

  test("a repository of one file, one of many, an interrupted download", async () => {
    const one = await snapshot("org/one", "aaa", ["README.md", "model.safetensors"]);
    expect((await resolveModel("org/one", env)).path).toBe(join(one, "model.safetensors"));
    await snapshot("org/two", "aaa", ["a.safetensors", "b.safetensors"]);
    await expect(resolveModel("org/two", env)).rejects.toThrow(/"org\/two" is not on this machine/);
    await snapshot("stabilityai/sd-turbo", "aaa", ["model_index.json"]);
    await expect(resolveModel("sd-turbo", env)).rejects.toThrow(/"sd-turbo" is not on this machine/);
  });
});

describe("paths", () => {
  test("a folder, a file, a path below home", async () => {
    const at = join(folder, "my-model");
    await mkdir(at);
    await writeFile(join(at, "x.safetensors"), "");
    expect(await resolveModel(at, env)).toEqual({ name: at, path: at, source: "path" });
    expect((await resolveModel(join(at, "x.safetensors"), env)).source).toBe("path");
    expect((await resolveModel("~/my-model", env)).path).toBe(at);
    expect((await resolveModel(relative(process.cwd(), at), env)).path).toBe(at);
  });

  test.each(["./nowhere", "a/b/c", "/no/model", "x.safetensors", "org/x.ckpt"])("%s is not there", async (name) => {
    await expect(resolveModel(name, env)).rejects.toThrow(/There is no file or folder \//);
  });
});

describe("what is not there", () => {
  test("a known name: its repositories and how to get them", async () => {
    const { name, repositories } = MODELS.find((model) => model.repositories.length > 1)!;
    const error = await resolveModel(name, env).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    const { message } = error as Error;
    for (const repository of repositories) expect(message).toContain(repository);
    expect(message).toContain(join(env["HF_HOME"]!, "hub"));
    expect(message).toContain(`hf download ${repositories[0]}`);
  });

  test.each([
    ["sd2,1", "sd2.1"],
    ["SD-Trubo", "sd-turbo"],
    ["bk-sdm-smal", "bk-sdm-small"],
    ["inkdorp", "inkdrop"],
  ])("a slip: %s → %s", async (typed, meant) => {
    await expect(resolveModel(typed, env)).rejects.toThrow(`Did you mean "${meant}"?`);
  });

  test.each(["", "something-else-entirely", ".."])("%j: the known names, or the path", async (name) => {
    const found = await resolveModel(name, env).catch((error: Error) => error.message);
    if (typeof found === "string") expect(found).toMatch(/No model is called.*Known names: inkdrop-256, sd2\.1/);
    else expect(found.source).toBe("path");
  });
});

test("every known model is listed once, with its place where it is there", async () => {
  const path = await snapshot("nota-ai/bk-sdm-tiny", "aaa", CHECKPOINT);
  const listed = await listModels(env);
  expect(listed.map(({ name }) => name)).toEqual(MODELS.map(({ name }) => name));
  const names = MODELS.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
  expect(new Set(names).size).toBe(names.length);
  const found = listed.filter((model) => model.found?.source === "cache");
  expect(found.map(({ name, found }) => [name, found?.path])).toEqual([["bk-sdm-tiny", path]]);
});

test("no name means the embedded model", async () => {
  const found = await resolveModel(undefined, env).catch((error: Error) => error.message);
  if (typeof found === "string") expect(found).toMatch(/embedded model is missing from .*models\/inkdrop-256/);
  else expect(found).toMatchObject({ name: "inkdrop-256", source: "embedded" });
});
