import { expect, test } from "vitest";
import { Graph, mul } from "../../src/graph/index.ts";
import { createSessions, type Network } from "../../src/pipelines/sessions.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import type { ModelPart } from "../../src/weights/index.ts";

const MEBI = 2 ** 20;

/** A runtime that computes nothing and tells what was opened and let go. */
function telling(reopensQuickly: boolean) {
  const told: string[] = [];
  const runtime: Runtime = {
    device: "cpu",
    reopensQuickly,
    async createSession({ name }) {
      let ended = false;
      told.push(`open ${name}`);
      return {
        inputNames: [],
        outputNames: [],
        get ended() {
          return ended;
        },
        run: async () => ({}),
        runKeeping: async () => ({ outputs: {}, kept: {} }),
        release: async () => {
          ended = true;
          told.push(`release ${name}`);
        },
      };
    },
    close: async () => {},
  };
  return { runtime, told };
}

function network(name: string, { brief, mebibytes }: { brief: boolean; mebibytes: number }): Network {
  const count = (mebibytes * MEBI) / 4;
  const stored = { dtype: "float32", shape: [count], file: `/${name}`, offset: 0, length: 4 * count } as const;
  const weights = { get: () => stored, names: () => ["w"], describe: () => name };
  return {
    name,
    variant: "",
    part: { weights, config: {}, configFile: "" } as unknown as ModelPart,
    brief,
    build() {
      const g = new Graph(name);
      g.output("y", mul(g.parameter("w", [count]), 2));
      return g;
    },
  };
}

test("a large network that is asked at the start only makes room for those that compute for long", async () => {
  const { runtime, told } = telling(true);
  const sessions = createSessions(runtime);
  const [text, unet] = [
    network("text", { brief: true, mebibytes: 600 }),
    network("unet", { brief: false, mebibytes: 4 }),
  ];
  await sessions.open(unet);
  await sessions.run(text, {});
  await sessions.run(text, {});
  await sessions.run(unet, {});
  await sessions.run(unet, {});
  await sessions.run(text, {});
  expect(told).toEqual(["open unet", "open text", "release text", "open text"]);
});

test.each([
  ["a small one", true, 4],
  ["one that would take long to open again", false, 600],
])("%s stays", async (_, reopensQuickly, mebibytes) => {
  const { runtime, told } = telling(reopensQuickly);
  const sessions = createSessions(runtime);
  await sessions.run(network("text", { brief: true, mebibytes }), {});
  await sessions.run(network("unet", { brief: false, mebibytes: 4 }), {});
  expect(told).toEqual(["open text", "open unet"]);
});
