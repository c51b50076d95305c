import { expect, test } from "vitest";
import type { Graph } from "../../src/graph/index.ts";
import {
  clipConfig,
  clipText,
  clipTextConfig,
  clipTextFeatures,
  clipVision,
  taesdConfig,
  taesdDecoder,
  taesdEncoder,
  unet,
  unetConfig,
  vaeConfig,
  vaeDecoder,
  vaeEncoder,
} from "../../src/models/index.ts";
import { list, readJson } from "../support/fixtures.ts";

interface KeyTable {
  config: Record<string, unknown> & { _class_name?: string; architectures?: string[] };
  parameters: number;
  tensors: Record<string, number[]>;
  optional?: Record<string, number[]>;
}

const size = { height: 8, width: 8 };
const builders: Record<string, (config: unknown) => Graph[]> = {
  UNet2DConditionModel: (config) => [unet(unetConfig(config), size)],
  AutoencoderKL: (config) => [vaeDecoder(vaeConfig(config), size), vaeEncoder(vaeConfig(config), size)],
  AutoencoderTiny: (config) => [taesdDecoder(taesdConfig(config), size), taesdEncoder(taesdConfig(config), size)],
  CLIPTextModel: (config) => [clipText(clipTextConfig(config))],
  CLIPModel: (config) => [clipTextFeatures(clipConfig(config)), clipVision(clipConfig(config))],
};
/** What is read beside the graphs. */
const beside: Record<string, Record<string, number[]>> = { CLIPModel: { logit_scale: [] } };
const classOf = (table: KeyTable) => table.config?._class_name ?? table.config?.architectures?.[0] ?? "";

const tables = list("keys")
  .map((file) => [file, readJson<KeyTable>("keys", file)] as const)
  .filter(([, table]) => classOf(table) in builders);

test.each(tables)("%s: the builders ask for exactly the published names and shapes", (_, table) => {
  const asked = new Map<string, number[]>(Object.entries(beside[classOf(table)] ?? {}));
  for (const graph of builders[classOf(table)]!(table.config)) {
    for (const [name, value] of graph.parameters) asked.set(name, value.shape as number[]);
  }
  expect(Object.fromEntries([...asked].sort())).toEqual(Object.fromEntries(Object.entries(table.tensors).sort()));
  const parameters = [...asked.values()].reduce((n, shape) => n + shape.reduce((a, b) => a * b, 1), 0);
  expect(parameters).toBe(table.parameters);
});

test("every kind of model built here has a table", () => {
  expect([...new Set(tables.map(([, table]) => classOf(table)))].sort()).toEqual(Object.keys(builders).sort());
});
