/**
 * How long a picture takes here: ours alone, or side by side with other engines, one process after another in turns, so
 * that whatever the machine does in the long run hits all alike.
 *
 *   npm run bench -- [--against diffusers,openvino,sdcpp] [--model sd21|small|FOLDER] [--size 256] [--steps 25]
 *                    [--measure N] [--cfg 7.5] [--threads N] [--rounds 3] [--repeats 2] [--also="FLAGS"]
 *                    [--json FILE] [--markdown]
 *   npm run bench -- --profile …                             where the time of a step goes: bench/profile.mjs
 *
 * --model: sd21 where there are peers, the embedded model where there are none. --measure takes N of the steps only.
 * --also adds ours once more with further flags of `inkling bench`; may be repeated. A run in which others took more than
 * 2 % of the time is run again, at most --repeats times. --json keeps every run as a line. docs/speed.md says what the
 * columns mean; npm run bench:setup makes the peers. Linux.
 */
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describeMachine, timed } from "./machine.mjs";
import { inkling, peers } from "./peers/engines.mjs";
import { cellsOf, columns, isQuiet, markdown, QUIET, rowOf } from "./rows.mjs";
import { runWatched } from "./run.mjs";
import { folderOf, Missing, main, peersOf, readWork, whole } from "./work.mjs";

async function bench() {
  const { values, work } = readWork({
    against: { type: "string" },
    rounds: { type: "string", default: "3" },
    repeats: { type: "string", default: "2" },
    also: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
  });
  const names = peersOf(values.against);
  const [rounds, repeats] = [whole("rounds", values.rounds), whole("repeats", values.repeats, 0)];
  if (names.length > 0) work.folder ??= folderOf("sd21");
  const engines = new Map([
    ["inkling", inkling()],
    ...values.also.map((flags) => [`inkling ${flags}`, inkling(flags.split(" "))]),
    ...names.map((name) => [name, peers[name]]),
  ]);
  for (const [name, { needs }] of engines) {
    const missing = needs(work).find((path) => !existsSync(path));
    if (missing) throw new Missing(`${name} is not ready: there is no ${missing}. ${howToGet(name, work)}`);
  }

  const lines = values.json && create(values.json);
  const scratch = mkdtempSync(join(tmpdir(), "inkling-bench-"));
  process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
  // Left to itself a signal would end this process without its exit, and leave the engine computing.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(130));
  const machine = describeMachine();
  const runs = new Map([...engines.keys()].map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, engine] of engines) {
      for (let attempt = 0; attempt <= repeats; attempt++) {
        process.stderr.write(`round ${round} of ${rounds}: ${name}${attempt ? ", again" : ""} … `);
        const run = await measure(name, engine, { ...work, scratch });
        process.stderr.write(
          `${run.wall_s.toFixed(1)} s${isQuiet(run) ? "" : `, disturbed (${percent(run.disturbed)})`}\n`,
        );
        runs.get(name).push(run);
        if (lines) writeSync(lines, `${JSON.stringify({ engine: name, round, attempt, machine, ...run })}\n`);
        if (isQuiet(run)) break;
      }
    }
  }

  const cells = cellsOf([...runs].map(([name, those]) => rowOf(name, those)));
  const { size, steps, threads, measure: taken, cfg } = work;
  const what = `${work.model ?? (work.folder ? "sd21" : "the embedded model")}, ${size}×${size}, ${steps} steps`;
  const part = taken < steps ? `, ${taken} of them taken` : "";
  console.log(`${what}${part}, guidance ${cfg}, ${threads} threads; ${machine}\n`);
  console.log(values.markdown ? markdown(cells) : columns(cells));
  console.log(`${[...runs].map(([name, [{ versions }]]) => `${name}: ${versions}`).join("; ")}.`);
  const all = [...runs.values()].flat();
  const disturbed = all.filter((run) => !isQuiet(run));
  console.log(
    `Medians of quiet runs; ${disturbed.length} of ${all.length} runs were disturbed (above ${percent(QUIET)}).`,
  );
}

const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

function create(file) {
  try {
    return openSync(file, "wx");
  } catch (error) {
    throw new Missing(
      `--json ${file} cannot be made: ${error.code === "EEXIST" ? "it is there already" : error.message}.`,
    );
  }
}

function howToGet(name, { model = "sd21", size }) {
  if (name.startsWith("inkling")) return "npm run build makes it.";
  if (name.startsWith("sdcpp") && model !== "sd21") return "stable-diffusion.cpp is measured with --model sd21 alone.";
  return `npm run bench:setup -- --against ${name} --model ${model} --size ${size} makes it.`;
}

/** One process from its start to its end, with what it said, what it took and what disturbed it. */
async function measure(name, engine, work) {
  engine.files(work).forEach(warmUp);
  await wait(500);
  const argv = engine.command(work).map(String);
  const { result, seconds, ...share } = await timed(
    [process.pid],
    () => runWatched(argv, work.threads),
    ({ computed }) => computed,
  );
  const { code, output, errors, resident, anonymous } = result;
  if (code !== 0) throw new Missing(`${name} ended with ${code}:\n${(errors || output).slice(-2000)}`);
  const said = engine.parse ? engine.parse(output + errors, work) : JSON.parse(output.trimEnd().split("\n").at(-1));
  const wanted = Math.min(work.measure, said.steps ?? work.steps);
  if (said.step_s.length !== wanted) throw new Error(`${name} took ${said.step_s.length} of ${wanted} steps.`);
  if (said.finite === false) throw new Error(`${name} drew numbers that are not finite.`);
  const sum = (list) => list.reduce((a, b) => a + b, 0);
  const spent = sum([said.encode_s, said.step_s, said.decode_s].map(sum)) + (said.warm_s ?? 0);
  return {
    versions: engine.versions?.() ?? said.versions,
    ...pick(work, ["folder", "size", "steps", "measure", "cfg", "threads"]),
    ...said,
    load_s: seconds - spent,
    wall_s: seconds,
    resident,
    anonymous,
    ...share,
  };
}

const pick = (object, keys) => Object.fromEntries(keys.map((key) => [key, object[key]]));

/** Reads a file, or all below a folder, so that every engine finds its weights in memory. */
function warmUp(path) {
  if (statSync(path).isDirectory()) {
    for (const name of readdirSync(path)) warmUp(join(path, name));
    return;
  }
  const file = openSync(path);
  const bytes = Buffer.alloc(1 << 23);
  while (readSync(file, bytes) > 0);
  closeSync(file);
}

if (process.argv.includes("--profile")) await import("./profile.mjs");
else await main(bench);
