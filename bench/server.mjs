// What the server costs beside the library: seconds of a picture, watchers, memory. `node bench/server.mjs [overhead|watchers|memory]…`
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { load } from "../dist/index.js";
import { median } from "../dist/pipelines/timing.js";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const TINY = at("test/fixtures/checkpoints/tiny-sd15");
const folder = mkdtempSync(join(tmpdir(), "inkling-bench-server-"));

/** Starts the built server on a free port. */
async function serve(...more) {
  const args = ["serve", "--port", "0", "--data", mkdtempSync(join(folder, "data-")), "--log-level", "error", ...more];
  const child = spawn(process.execPath, [at("dist/cli/index.js"), ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = (await new Promise((resolve) => child.stdout.once("data", resolve))).toString().trim();
  return {
    url,
    pid: child.pid,
    stop: () => {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

async function post({ url }, request) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/api/jobs`, { method: "POST", headers, body: JSON.stringify(request) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** Reads a job's events to their end, and says how many they were. */
async function watch({ url }, { id }) {
  const text = await (await fetch(`${url}/api/jobs/${id}/events`)).text();
  if (!text.includes("event: done")) throw new Error(text.slice(-500));
  return text.match(/^event: /gm).length;
}

const seconds = async (work) => {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
};

/** Seconds of processor time that a process has used, and MiB that it holds. */
function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1];
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, rss: Number(rss) / 1024 };
}

const benches = {
  /** A picture of the embedded model by the library, saved, and by the server, its events read: in turns. */
  async overhead() {
    const request = { prompt: "a lady with blue eyes", steps: 12 };
    const [inkling, server] = [await load(), await serve()];
    const library = async (seed) => {
      const { images } = await inkling.generate({ ...request, seed });
      await images[0].save(join(folder, `${seed}.png`));
    };
    const served = async (seed) => watch(server, await post(server, { ...request, seed }));
    await library(0);
    await served(0);
    const times = { library: [], server: [] };
    for (let seed = 1; seed <= 7; seed++) {
      const turns = [() => library(seed), () => served(seed)];
      const names = ["library", "server"];
      // Whoever goes first finds a cooler machine.
      for (const i of seed % 2 ? [0, 1] : [1, 0]) times[names[i]].push(await seconds(turns[i]));
    }
    await Promise.all([inkling.close(), server.stop()]);
    const ratios = times.server.map((time, i) => time / times.library[i]);
    return { library_s: median(times.library), server_s: median(times.server), ratio: median(ratios) };
  },

  /** A long job of a tiny model with nobody who watches, and with a hundred. */
  async watchers() {
    const server = await serve("--model", TINY, "--no-prepared");
    const request = { prompt: "a cat", width: 128, height: 128, steps: 100, sampler: "Euler" };
    await watch(server, await post(server, { ...request, steps: 2 }));
    const results = {};
    for (const count of [1, 100, 1, 100]) {
      const before = used(server.pid).cpu;
      let events;
      const time = await seconds(async () => {
        const job = await post(server, request);
        events = await Promise.all(Array.from({ length: count }, () => watch(server, job)));
      });
      const cpu = used(server.pid).cpu - before;
      results[count] = { seconds: time, server_cpu_s: cpu, events: Math.max(...events) };
    }
    await server.stop();
    return results;
  },

  /** What the server's process holds after more and more jobs, each watched. */
  async memory() {
    const server = await serve("--model", TINY, "--no-prepared");
    const held = {};
    for (let job = 1; job <= 500; job++) {
      await watch(
        server,
        await post(server, { prompt: `picture ${job}`, width: 64, height: 64, steps: 1, sampler: "Euler" }),
      );
      if (job % 100 !== 0 && job !== 20) continue;
      await sleep(500);
      held[job] = Math.round(used(server.pid).rss);
    }
    await server.stop();
    return { rss_MiB_after_jobs: held };
  },
};

try {
  const asked = process.argv.slice(2);
  for (const [name, bench] of Object.entries(benches)) {
    if (asked.length === 0 || asked.includes(name)) console.log(JSON.stringify({ [name]: await bench() }));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
