/**
 * Prompts per second, ours in float32 and in 8 bits against transformers, alternately in one run: 6 prompts of 17 tokens
 * side by side from nothing (GPT-2's end-of-text token alone), a GPT-2 of published size with random weights, key/value
 * cache, the same threads.
 *
 *   node bench/write.mjs [--repeats 9] [--size small|medium|large|xl] [--threads N] [--real FOLDER] [--alone]
 *                        [--python PATH]                                                  (after npm run build)
 *
 * Sampled: temperature 1, nothing else. Ours goes through openPromptWriter().write(), theirs through generate(). Greedy:
 * six different first tokens, through openLanguageModel() and writeOn(). With --real the ids of a GPT-2 that has learnt
 * something are compared as well (its margins are those of a real model). --alone goes without transformers. --python is
 * an interpreter with torch and transformers; default: that of shared peers, ~/.cache/inkling-peers/venv/bin/python.
 *
 * A run in which others took more than 2 % of the processors' time, or memory was waited for, is repeated; where the
 * machine does not come to rest, the table says how many of the runs were disturbed. The checkpoint stays in
 * ~/.cache/inkling-bench for the next time. The exit code is 1 where float32 is less than 1.3 times as fast as
 * transformers, or 8 bits less than twice as fast.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism, homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openLanguageModel, openPromptWriter } from "../dist/index.js";
import { writeOn } from "../dist/language/index.js";
import { median } from "../dist/pipelines/timing.js";
import { createProcessRuntime } from "../dist/runtime/process.js";
import { makeGpt2, SIZES } from "./gpt2-checkpoint.mjs";
import { children, describeMachine, peakOf, timed } from "./machine.mjs";

const COUNT = 6;
const LENGTH = 17;
const QUIET = 0.02;
const FORMS = ["float32", "8bit"];
/** How many times as fast as transformers each form has to be. */
const GOALS = { "inkling, float32": 1.3, "inkling, 8bit": 2 };

const { values: given } = parseArgs({
  options: {
    repeats: { type: "string", default: "9" },
    size: { type: "string", default: "small" },
    threads: { type: "string", default: String(availableParallelism()) },
    real: { type: "string" },
    alone: { type: "boolean", default: false },
    python: { type: "string", default: join(homedir(), ".cache/inkling-peers/venv/bin/python") },
  },
});
const [repeats, threads] = [Number(given.repeats), Number(given.threads)];
if (!SIZES[given.size] || !(repeats > 0) || !(threads > 0)) {
  fail("Usage: node bench/write.mjs [--repeats N] [--size small|medium|large|xl] [--threads N] …", 2);
}
if (!given.alone && !existsSync(given.python)) {
  fail(`There is no ${given.python}: name an interpreter with torch and transformers by --python, or measure --alone.`);
}

const folder = join(homedir(), ".cache/inkling-bench", `gpt2-${given.size}`);
await makeGpt2(folder, given.size);
console.log(`GPT-2 ${given.size} with random weights, ${threads} threads, ${describeMachine()}`);

const peer = given.alone ? undefined : await startPeer(folder);
if (peer) console.log(peer.ready);

const sampled = await measureSampled();
const greedy = await measureGreedy();
peer?.end();
print(sampled, greedy);
if (given.real) await compareReal(given.real);

/** Temperature 1, as a user of the library writes prompts. */
async function measureSampled() {
  const engines = [];
  for (const weights of FORMS) {
    const known = children();
    const writer = await openPromptWriter({ model: folder, device: "cpu", threads, weights });
    const pid = children().find((child) => !known.includes(child));
    const write = async (seed) => {
      const prompts = await writer.write({ count: COUNT, maxLength: LENGTH, seed, temperature: 1, wholeWords: false });
      return prompts.map(({ tokens }) => tokens);
    };
    engines.push({ name: `inkling, ${weights}`, pids: [process.pid, pid], write, close: () => writer.close() });
  }
  const nothing = Array.from({ length: COUNT }, () => [50256]);
  if (peer)
    engines.push({ ...peer, write: (seed) => peer.write({ ids: nothing, length: LENGTH, sample: true, seed }) });
  return measure(engines);
}

/** The most probable tokens after six first ones. */
async function measureGreedy() {
  const beginnings = Array.from({ length: COUNT }, (_, i) => [1000 + 7919 * i]);
  const engines = [];
  const models = [];
  for (const weights of FORMS) {
    const known = children();
    const runtime = createProcessRuntime({ device: "cpu", threads });
    const model = await openLanguageModel(folder, runtime, { weights });
    const pid = children().find((child) => !known.includes(child));
    models.push({ weights, model });
    const write = () => writeGreedy(model, beginnings, LENGTH);
    engines.push({ name: `inkling, ${weights}`, pids: [process.pid, pid], write, close: () => runtime.close() });
  }
  if (peer) {
    engines.push({ ...peer, write: () => peer.write({ ids: beginnings, length: LENGTH, sample: false, seed: 0 }) });
  }
  return measure(engines, async (rows) => {
    const reference = rows.find(({ name }) => !name.startsWith("inkling")) ?? rows[0];
    for (const { weights, model } of models) {
      const row = rows.find(({ name }) => name.endsWith(weights));
      row.agreement = await agreement(model, reference.ids, row.ids, () => 1);
    }
  });
}

/** Every engine in turn, twice to warm up, then until each has enough quiet runs or has had three times as many. */
async function measure(engines, look = async () => {}) {
  const rows = engines.map(({ name }) => ({ name, runs: [] }));
  const enough = ({ runs }) =>
    runs.filter(({ disturbed }) => disturbed <= QUIET).length >= repeats || runs.length >= 3 * repeats;
  for (let round = -2; round < 0 || !rows.every(enough); round++) {
    for (const [i, { pids, write }] of engines.entries()) {
      if (round >= 0 && enough(rows[i])) continue;
      await wait(300);
      const { result, seconds, disturbed } = await timed(pids, () => write(Math.max(0, round)));
      if (result.length !== COUNT || result.some((ids) => ids.length !== LENGTH)) {
        fail(`${engines[i].name} wrote ${result.map((ids) => ids.length)} tokens instead of ${COUNT} × ${LENGTH}.`);
      }
      if (round >= 0) rows[i].runs.push({ seconds, disturbed });
      rows[i].ids = result;
    }
  }
  await look(rows);
  for (const [i, { pids, close }] of engines.entries()) {
    rows[i].peak = pids.map(peakOf).reduce((a, b) => a + b);
    await close?.();
  }
  return rows;
}

async function writeGreedy(model, beginnings, maxLength) {
  const reader = model.read();
  const texts = beginnings.map((ids) => [...ids]);
  const options = { beginnings, maxLength, eosId: -1, generators: [], temperature: 0 };
  for await (const { text, id } of writeOn(reader.readOn, options)) texts[text].push(id);
  reader.close();
  return texts;
}

/**
 * How far `got` is `wanted`: texts that are equal to the end, and tokens that the model would have chosen as the next one
 * of `wanted`, each judged by itself.
 */
async function agreement(model, wanted, got, beginningOf) {
  const equal = wanted.filter((ids, i) => ids.join() === got[i].join()).length;
  let [same, all] = [0, 0];
  for (const [i, ids] of wanted.entries()) {
    const reader = model.read();
    let next = ids.slice(0, beginningOf(i));
    for (let at = next.length; at < ids.length; at++) {
      const logits = await reader.readOn([next]);
      let best = 0;
      for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
      if (best === ids[at]) same++;
      all++;
      next = [ids[at]];
    }
    reader.close();
  }
  return `${equal} of ${wanted.length} texts, ${same} of ${all} tokens`;
}

function print(sampledRows, greedyRows) {
  const theirs = (rows) => rows.find(({ name }) => !name.startsWith("inkling"));
  const whose = peer ? "transformers'" : "float32's";
  console.log(
    `\n| | sampled: s | prompts/s | ratio | greedy: s | prompts/s | ratio | peak memory | ${whose} greedy ids |`,
  );
  console.log("|---|---|---|---|---|---|---|---|---|");
  for (const [i, row] of sampledRows.entries()) {
    const cells = [sampledRows, greedyRows].flatMap((rows) => {
      const seconds = secondsOf(rows[i]);
      const reference = theirs(rows);
      const ratio = reference && secondsOf(reference) / seconds;
      if (ratio < GOALS[row.name]) process.exitCode = 1;
      return [seconds.toFixed(3), (COUNT / seconds).toFixed(1), ratio ? `${ratio.toFixed(2)}×` : "–"];
    });
    const same = greedyRows[i].agreement ?? "–";
    console.log(`| ${row.name} | ${cells.join(" | ")} | ${row.peak.toFixed(0)} MiB | ${same} |`);
  }
  const all = [...sampledRows, ...greedyRows].flatMap(({ runs }) => runs);
  const disturbed = all.filter((run) => run.disturbed > QUIET).length;
  console.log(`\nMedians of quiet runs; ${disturbed} of ${all.length} runs were disturbed.`);
  if (sampledRows.concat(greedyRows).some((row) => quietRuns(row).length < repeats)) {
    console.log("THE MACHINE WAS NOT QUIET: medians of all runs where too few were.");
  }
}

function quietRuns({ runs }) {
  return runs.filter(({ disturbed }) => disturbed <= QUIET);
}

function secondsOf(row) {
  const quiet = quietRuns(row);
  return median((quiet.length < repeats ? row.runs : quiet).map(({ seconds }) => seconds));
}

/** Greedy ids of a model that has learnt something: 64 beginnings, 20 tokens more each. */
async function compareReal(path) {
  const prompts = JSON.parse(await readFile(new URL("embedded-prompts.json", import.meta.url), "utf8"));
  const theirs = given.alone ? undefined : await startPeer(path);
  const texts = {};
  const models = {};
  for (const weights of FORMS) {
    const runtime = createProcessRuntime({ device: "cpu", threads });
    const model = await openLanguageModel(path, runtime, { weights });
    models[weights] = { model, runtime };
  }
  const begin = (prompt) => models.float32.model.tokenizer.encode(prompt.split(" ").slice(0, 3).join(" "));
  const beginnings = prompts.map(begin);
  for (const weights of FORMS) {
    texts[weights] = [];
    for (const ids of beginnings) {
      texts[weights].push(...(await writeGreedy(models[weights].model, [ids], ids.length + 20)));
    }
  }
  const reference = [];
  for (const ids of theirs ? beginnings : []) {
    reference.push(...(await theirs.write({ ids: [ids], length: ids.length + 20, sample: false, seed: 0 })));
  }
  theirs?.end();
  const beginningOf = (i) => beginnings[i].length;
  const compare = (weights, wanted) => agreement(models[weights].model, wanted, texts[weights], beginningOf);
  console.log(`\nGreedy ids with ${path}, ${prompts.length} beginnings, 20 tokens more each:`);
  if (theirs) {
    for (const weights of FORMS) console.log(`- ${weights} as transformers: ${await compare(weights, reference)}`);
  }
  console.log(`- 8bit as float32: ${await compare("8bit", texts.float32)}`);
  for (const { runtime } of Object.values(models)) await runtime.close();
}

/** transformers in a process of its own, which waits for requests. */
async function startPeer(checkpoint) {
  const script = fileURLToPath(new URL("write_peer.py", import.meta.url));
  const child = spawn(given.python, [script, checkpoint, String(threads)], { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk) => {
    errors = (errors + chunk).slice(-2000);
  });
  let ended = false;
  child.on("exit", (code) => {
    if (!ended) fail(`transformers ended with exit code ${code}:\n${errors}`);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => JSON.parse((await lines.next()).value);
  const { ready } = await answer();
  return {
    name: "transformers",
    ready,
    pids: [child.pid],
    async write(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return (await answer()).ids;
    },
    end() {
      ended = true;
      child.stdin.end();
    },
  };
}

function fail(message, code = 1) {
  console.error(message);
  process.exit(code);
}
