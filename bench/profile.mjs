/**
 * Where the time of a step and of the decoder goes, by class of layer, against what the machine allows.
 *
 *   npm run bench -- --profile [--model sd21|small|FOLDER] [--size 256] [--threads N] [--markdown]
 *
 * Pictures are drawn as always, with ONNX Runtime's profiler on; the fastest of three steps is told. What the machine
 * allows is measured beforehand. docs/speed.md says what the columns mean. Linux.
 */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { unet, unetConfig, vaeConfig, vaeDecoder } from "../dist/models/index.js";
import { benchmark } from "../dist/pipelines/benchmark.js";
import { createNodeRuntime } from "../dist/runtime/node.js";
import { openCheckpoint } from "../dist/weights/index.js";
import { cellsOf, classesOf, fastestRun, layersOf } from "./layers.mjs";
import { describeMachine, timed } from "./machine.mjs";
import { measureRoof } from "./roof.mjs";
import { columns, markdown, QUIET } from "./rows.mjs";
import { main, readWork } from "./work.mjs";

const EMBEDDED = fileURLToPath(new URL("../models/inkdrop-256", import.meta.url));
const STEPS = 4;
/** Classes that take less of a network's time are told together. */
const LEAST = 0.01;

await main(async () => {
  const { values, work } = readWork({ profile: { type: "boolean" } });
  const { folder = EMBEDDED, size, threads } = work;
  const show = values.markdown ? markdown : columns;
  const { result, ...share } = await timed([process.pid], async () => {
    return { roof: await measureRoof(threads), profiles: await profileOf(folder, work) };
  });
  const { roof, profiles } = result;

  console.log(`${work.model ?? "the embedded model"}, ${size}×${size}, ${threads} threads; ${describeMachine()}`);
  console.log(
    `The roof: ${roof.peak.toFixed(0)} GFLOP/s and ${roof.bandwidth.toFixed(1)} GB/s (${roof.how}); ` +
      `the best matrix product through our runtime: ${roof.product.toFixed(0)} GFLOP/s.`,
  );
  if (share.disturbed > QUIET)
    console.log(`DISTURBED: others took ${(100 * share.disturbed).toFixed(0)} % of the time.`);
  const checkpoint = await openCheckpoint(folder);
  const parts = [
    { title: "A step (the U-Net, both halves of the guidance)", name: "unet", batch: 2 },
    { title: "The decoder", name: "vae_decoder", batch: 1 },
  ];
  for (const { title, name, batch } of parts) {
    const layers = layersOf(graphOf(checkpoint, name, size), { batch, words: 77 });
    // What is computed once for a prompt is a session of its own.
    const [largest, ...others] = profiles[name].map(fastestRun).sort((a, b) => b.seconds - a.seconds);
    const { seconds, nodes } = largest;
    const inside = nodes.reduce((sum, node) => sum + node.seconds, 0);
    console.log(`\n${title}: ${ms(seconds)}, of which ${ms(seconds - inside)} between nodes.`);
    for (const other of others) console.log(`Computed less often, a part of the same network: ${ms(other.seconds)}.`);
    console.log(`\n${show(cellsOf(classesOf(nodes, layers, roof, false)))}`);
    console.log(show(cellsOf(classesOf(nodes, layers, roof), LEAST)));
  }
});

function ms(seconds) {
  return `${(1000 * seconds).toFixed(0)} ms`;
}

function graphOf({ unet: noise, vae }, name, size) {
  const places = { height: size / 8, width: size / 8 };
  return name === "unet" ? unet(unetConfig(noise.config), places) : vaeDecoder(vaeConfig(vae.config), places);
}

/** ONNX Runtime's events, session by session, by the network's name. */
async function profileOf(folder, { size, steps, cfg, threads }) {
  const profile = await mkdtemp(join(tmpdir(), "inkling-profile-"));
  try {
    const runtime = createNodeRuntime({ device: "cpu", threads, profile });
    const choice = { device: "cpu", works: true, reason: "" };
    const starting = Promise.resolve({ runtime, choice });
    await benchmark(folder, { size, steps, measure: Math.min(STEPS, steps), cfg, starting });
    const found = {};
    for (const file of await readdir(profile)) {
      const [, name] = /^(\w+?)_\d{4}-/.exec(file);
      found[name] ??= [];
      found[name].push(JSON.parse(await readFile(join(profile, file), "utf8")));
    }
    return found;
  } finally {
    await rm(profile, { recursive: true });
  }
}
