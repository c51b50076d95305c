/** Preprocessing and both towers of CLIP against transformers' CLIPImageProcessor and CLIPModel. */
import { afterAll, describe, expect, test } from "vitest";
import { clipImageConfig } from "../../src/configs/index.ts";
import { lowerFor } from "../../src/graph/index.ts";
import { cut, type Picture, preprocess, readPicture, resample } from "../../src/image/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { type Tensor, toFloat32 } from "../../src/tensor/index.ts";
import { caseRunner, expectCase } from "../support/cases.ts";
import { expectClose } from "../support/compare.ts";
import { need, path, readJson, readTensors } from "../support/fixtures.ts";
import { clipCases, names } from "../support/vision.ts";

const stored = readTensors("vision", "preprocess.safetensors");
const config = clipImageConfig(readJson("vision", "model", "preprocessor_config.json"), 0);
const tested = new Set<string>();
const want = (name: string): Tensor => {
  tested.add(name);
  return need(stored, name);
};

describe.each(names.pictures)("%s.png", (name) => {
  const rgb = () => readPicture(path("vision", "pictures", `${name}.png`));

  test("is decoded as the reference decodes it, transparency laid over white", async () => {
    expectSame(await rgb(), want(`${name}.rgb`));
  });

  test("is resized and cropped byte for byte", async () => {
    expectSame(await cut(await rgb(), { ...config, crop: undefined }), want(`${name}.resized`));
    expectSame(await cut(await rgb(), config), rowsFirst(want(`${name}.cropped`)));
  });

  test("becomes the same pixels", async () => {
    const { shape, data } = await preprocess([await rgb()], config);
    const pixels = want(`${name}.pixels`);
    expect(shape).toEqual([1, ...pixels.shape]);
    expectClose(data, toFloat32(pixels), 1e-6, { name: "pixels" });
  });
});

const large = [...stored.keys()].flatMap((name) => /^(.*)\.(\d+)\.resized$/.exec(name)?.slice(1, 3) ?? []);
test.each(large.flatMap((name, i) => (i % 2 === 0 ? [[name, Number(large[i + 1])] as const] : [])))(
  "%s.png at %i pixels",
  async (name, side) => {
    const picture = await readPicture(path("vision", "pictures", `${name}.png`));
    const square = { resize: side, crop: { width: side, height: side } };
    expectSame(await cut(picture, { resize: side, crop: undefined }), want(`${name}.${side}.resized`));
    const { data } = await preprocess([picture], { ...config, ...square });
    const rows = Array.from({ length: 3 }, (_, c) => [
      ...data.subarray((c * side + 100) * side, (c * side + 101) * side),
    ]);
    expectClose(rows.flat(), toFloat32(want(`${name}.${side}.pixels_row_100`)), 1e-6, { name: "row 100" });
  },
);

test("nothing of what the reference prepared is left out", () => {
  expect([...stored.keys()].filter((name) => !tested.has(name))).toEqual([]);
});

test("a picture that has the size already is not touched", async () => {
  const picture = await readPicture(path("vision", "pictures", "square.png"));
  expect(await resample(picture, picture.width, picture.height, "bicubic")).toEqual(picture);
});

const runner = caseRunner(createNodeRuntime({ device: "cpu", threads: 1 }));
afterAll(() => runner.close());

test.each((await clipCases({ lowered: (graph) => lowerFor("cpu", graph) })).map((c) => [c.name, c] as const))(
  "%s",
  async (_, c) => {
    expectCase(await runner.run(c), c);
  },
);

function expectSame({ width, height, data }: Picture, { shape, data: bytes }: Tensor): void {
  expect([height, width, 3]).toEqual(shape);
  expect(Buffer.from(data).equals(Buffer.from(bytes as Uint8Array))).toBe(true);
}

/** [3, H, W] → [H, W, 3] */
function rowsFirst({ shape, data }: Tensor): Tensor {
  const [channels, height, width] = shape as [number, number, number];
  const plane = height * width;
  const rows = Uint8Array.from({ length: channels * plane }, (_, i) =>
    Number(data[(i % channels) * plane + Math.floor(i / channels)]),
  );
  return { dtype: "uint8", shape: [height, width, channels], data: rows };
}
