/** CLIP's two towers on the fixtures of the group "vision", as graphs for any device. */
import { type Graph, toOnnx } from "../../src/graph/index.ts";
import { clipConfig, clipTextFeatures, clipVision, textEnds } from "../../src/models/index.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";
import { type ModelPart, openModelPart } from "../../src/weights/index.ts";
import type { GraphCase, Tolerance } from "./cases.ts";
import { need, path, readJson, readTensors } from "./fixtures.ts";
import type { StageOptions } from "./stages.ts";

export const names = readJson<{ pictures: string[]; texts: string[] }>("vision", "texts.json");

/** The table under vision/ in the fixtures' README. */
const tolerance: Tolerance = { limit: 2e-5, per: "std" };

export async function clipCases(options: StageOptions): Promise<GraphCase[]> {
  const part = await openModelPart(path("vision", "model"));
  const config = clipConfig(part.config, part.configFile);
  const reference = readTensors("vision", "embeddings.safetensors");
  const pixels = readTensors("vision", "preprocess.safetensors");
  const stacked = stack(names.pictures.map((name) => need(pixels, `${name}.pixels`)));
  const ids = need(reference, "ids") as Tensor<"int64">;

  const vision = clipVision(config);
  vision.tap("vision_model.post_layernorm");
  const inside = clipVision(config);
  const hidden = [...reference.keys()].filter((name) => name.startsWith("vision.hidden.")).length;
  const scopes = Array.from({ length: hidden }, (_, i) =>
    i === 0 ? "vision_model.pre_layrnorm" : `vision_model.encoder.layers.${i - 1}`,
  );
  for (const scope of scopes) inside.tap(scope);
  const text = clipTextFeatures(config, { tokens: ids.shape[1]! });
  text.tap("pooled");
  const make = (name: string, graph: Graph, feeds: GraphCase["feeds"], want: GraphCase["want"]): GraphCase => {
    return { name: `clip ${name}`, kind: "clip", model: bind(graph, part, options), feeds, want, tolerance };
  };
  return [
    make(
      "vision",
      vision,
      { pixel_values: stacked },
      {
        "vision_model.post_layernorm": need(reference, "vision.pooled"),
        image_features: need(reference, "image_features"),
      },
    ),
    make(
      "vision, inside",
      inside,
      { pixel_values: stack([need(pixels, `${names.pictures[0]!}.pixels`)]) },
      Object.fromEntries(scopes.map((scope, i) => [scope, need(reference, `vision.hidden.${i}`)])),
    ),
    make(
      "text",
      text,
      { input_ids: ids, ends: textEnds(ids, config.eos) },
      {
        pooled: need(reference, "text.pooled"),
        text_features: need(reference, "text_features"),
      },
    ),
  ];
}

function bind(graph: Graph, { weights }: ModelPart, { lowered, weight = (stored) => stored }: StageOptions) {
  return toOnnx(lowered(graph), (name) => weight(weights.get(name)!));
}

/** Pictures [C, H, W] as one batch. */
function stack(pictures: readonly Tensor[]): Tensor<"float32"> {
  const data = pictures.flatMap(({ data }) => [...(data as Float32Array)]);
  return float32([pictures.length, ...pictures[0]!.shape], data);
}
