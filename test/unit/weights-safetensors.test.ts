import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  allocate,
  type DType,
  dtypes,
  float32,
  InputError,
  int64,
  type Tensor,
  tensor,
} from "../../src/tensor/index.ts";
import { readSafetensors, readTensor, writeSafetensors } from "../../src/weights/index.ts";

let folder = "";
beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "inkling-safetensors-")));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const prefix = (length: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(length));
  return bytes;
};

/** The message with which a file is refused, without the file's name, which it must begin with. */
async function refused(bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, "bad.safetensors");
  await writeFile(path, bytes);
  const error = await readSafetensors(path).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toContain(path);
  return (error as Error).message.replace(path, "FILE");
}

function withHeader(header: object | string, data = 0): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  return Buffer.concat([prefix(json.length), json, Buffer.alloc(data)]);
}

const entry = (shape: unknown, data_offsets: unknown, dtype: unknown = "F32") => ({ dtype, shape, data_offsets });

describe("reading", () => {
  test.each<[string, Uint8Array | string, RegExp]>([
    ["no bytes", "", /^FILE is empty/],
    [
      "a claim beyond the limit",
      Buffer.concat([prefix(100_000_001), Buffer.from("{}")]),
      /claims a header of 100000001/,
    ],
    ["a claim beyond the file", Buffer.concat([prefix(99_999_999), Buffer.from("{}")]), /FILE is cut short/],
    ["a list", withHeader("[1]"), /does not begin with "\{"/],
    ["a name twice, once escaped", withHeader('{"a":1,"\\u0061":2}'), /holds the name "\\u0061" twice/],
    ["a field twice", withHeader('{"a":{"dtype":"F32","dtype":"F32"}}'), /holds the name "dtype" twice/],
    ["broken JSON", withHeader('{"a": '), /^The header of FILE is not valid JSON/],
    ["a text for a tensor", withHeader({ a: "F32" }), /tensor "a" is not described/],
    ["an unknown type", withHeader({ a: entry([1], [0, 4], "F8_E4M3") }, 4), /"a" has the type "F8_E4M3".*F16 or F32/],
    [
      "a type from the prototype",
      withHeader({ a: entry([1], [0, 4], "constructor") }, 4),
      /has the type "constructor"/,
    ],
    ["a size of half", withHeader({ a: entry([0.5], [0, 2]) }, 2), /no list of sizes/],
    ["three offsets", withHeader({ a: entry([1], [0, 4, 8]) }, 8), /no place in a file/],
    ["an offset beyond 2⁵³", withHeader({ a: entry([1], [2 ** 60, 2 ** 60 + 4]) }, 8), /no place in a file/],
    ["more bytes than the shape", withHeader({ a: entry([1], [0, 8]) }, 8), /has 8 bytes.*takes 4/],
    ["bytes at the start", withHeader({ a: entry([1], [4, 8]) }, 8), /the header and tensor "a" leave 4 bytes/],
    ["shared bytes", withHeader({ a: entry([2], [0, 8]), b: entry([1], [4, 8]) }, 8), /"a" and tensor "b" share bytes/],
    ["too few bytes", withHeader({ a: entry([2], [0, 8]) }, 7), /cut short: its tensors need \d+ bytes/],
    ["too many bytes", withHeader({ a: entry([2], [0, 8]) }, 9), /has 1 bytes after its last tensor/],
    ["GGUF", Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(32)]), /is a GGUF file/],
    ["a pickle in a zip", Buffer.concat([Buffer.from("PK\x03\x04"), Buffer.alloc(32, 1)]), /pickled.*convert it/],
    ["a page", "  <html><body>Not found</body></html>", /web page/],
  ])("refuses %s", async (_, bytes, message) => {
    expect(await refused(bytes)).toMatch(message);
  });

  test("a header of 640 bytes is not taken for a pickle, whose first bytes it shares", async () => {
    const json = JSON.stringify({ a: entry([1], [0, 4]) });
    const path = join(folder, "640.safetensors");
    await writeFile(path, withHeader(json.padEnd(640), 4));
    expect([...(await readSafetensors(path)).tensors.keys()]).toEqual(["a"]);
    expect(await refused(Buffer.concat([prefix(640), Buffer.from(json.padStart(640)), Buffer.alloc(4)]))).toMatch(
      /"\{"/,
    );
  });

  test("a missing file, a folder", async () => {
    await expect(readSafetensors(join(folder, "none"))).rejects.toThrow(/none does not exist/);
    await mkdir(join(folder, "sub"));
    await expect(readSafetensors(join(folder, "sub"))).rejects.toThrow(/is a folder/);
  });

  test("hands out the real path behind a link", async () => {
    const blob = join(folder, "blob");
    await writeSafetensors(blob, { x: float32([1], [2]) });
    await symlink(blob, join(folder, "link.safetensors"));
    const { tensors } = await readSafetensors(join(folder, "link.safetensors"));
    expect(tensors.get("x")?.file).toBe(blob);
  });
});

describe("writing", () => {
  test("what is read is what was written, in every type", async () => {
    const tensors: Record<string, Tensor> = {
      scalar: float32([], [7]),
      empty: float32([0, 3], []),
      ids: int64([2], [1, -2]),
    };
    for (const dtype of dtypes) {
      const data = allocate(dtype, 3);
      new Uint8Array(data.buffer).forEach((_, i, bytes) => {
        bytes[i] = i * 7 + 1;
      });
      tensors[`all.${dtype}`] = tensor<DType>(dtype, [3], data);
    }
    const path = join(folder, "all.safetensors");
    await writeSafetensors(path, tensors, { made: "here" });
    const file = await readSafetensors(path);
    expect(file.metadata.get("made")).toBe("here");
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
    for (const [name, stored] of file.tensors) {
      expect(await readTensor(stored), name).toEqual(tensors[name]);
      const { BYTES_PER_ELEMENT: width } = tensors[name]!.data;
      expect(stored.offset % width, `${name} is aligned`).toBe(0);
    }
  });

  test("only a view's own part is written", async () => {
    const path = join(folder, "view.safetensors");
    await writeSafetensors(path, { x: float32([2], new Float32Array([1, 2, 3, 4]).subarray(1, 3)) });
    const { tensors } = await readSafetensors(path);
    expect([...(await readTensor(tensors.get("x")!)).data]).toEqual([2, 3]);
  });

  test("a failure leaves the old file and nothing else", async () => {
    const own = join(folder, "own");
    await mkdir(own);
    const path = join(own, "x.safetensors");
    await writeSafetensors(path, { x: float32([1], [1]) });
    const before = await readFile(path);
    const broken = {
      y: {
        dtype: "float32",
        shape: [1],
        data: {
          get buffer(): never {
            throw new Error("gone");
          },
        },
      },
    };
    await expect(writeSafetensors(path, broken as unknown as Record<string, Tensor>)).rejects.toThrow("gone");
    expect(await readdir(own)).toEqual(["x.safetensors"]);
    expect(await readFile(path)).toEqual(before);
  });
});
