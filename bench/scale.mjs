// What is lost when everything is killed: jobs through Redis, workers and the server killed at random, Redis killed and started again.
// `node bench/scale.mjs [jobs] [workers] [seed]`; needs redis-server and `npm run build`.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const [JOBS = 200, WORKERS = 3, SEED = 1] = process.argv.slice(2).map(Number);
/** Seconds after which a worker that was killed is missed. */
const LEASE = 2;
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const TINY = at("test/fixtures/checkpoints/tiny-sd15");
const folder = mkdtempSync(join(tmpdir(), "inkling-bench-scale-"));
const living = new Set();

/** Mulberry32: the same kills with the same seed, as far as time allows. */
let state = SEED;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts a process; resolves when it has said something on stdout. */
async function start(file, args) {
  const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  living.add(child);
  const gone = new Promise((resolve, reject) => {
    child.once("exit", resolve);
    child.once("error", reject);
  }).finally(() => living.delete(child));
  const said = new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdout.resume();
  const first = await Promise.race([said, gone]);
  if (!Buffer.isBuffer(first)) throw new Error(`${file} ended at once.`);
  return {
    said: first.toString().trim(),
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}
const inkling = (...args) =>
  start(process.execPath, [at("dist/cli/index.js"), ...args, "--model", TINY, "--no-prepared", "--log-level", "error"]);

const redisPort = await freePort();
const redisUrl = `redis://127.0.0.1:${redisPort}`;
const startRedis = () =>
  start(
    "redis-server",
    `--port ${redisPort} --bind 127.0.0.1 --dir ${folder} --save  --appendonly yes --appendfsync always`.split(" "),
  );
const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const data = join(folder, "data");
const startServer = () => inkling("serve", "--port", String(port), "--data", data, "--queue", redisUrl);
const startWorker = () => inkling("worker", "--queue", redisUrl, "--threads", "1", "--lease", String(LEASE));

async function ask(path, method = "GET", body, headers = {}) {
  const answer = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return answer;
}
/** Asks until there is an answer: the server may be away. */
async function insist(...args) {
  for (;;) {
    try {
      return await ask(...args);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      await sleep(50);
    }
  }
}
const json = async (path) => (await insist(path)).json();
async function all(path, list) {
  const found = [];
  for (let before = ""; ; ) {
    const page = await json(`${path}?limit=200${before}`);
    found.push(...page[list]);
    if (page.next === null) return found;
    before = `&before=${page.next}`;
  }
}
const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex");

try {
  const killed = { workers: 0, redis: 0, server: 0 };
  let redis = await startRedis();
  let server = await startServer();
  const workers = await Promise.all(Array.from({ length: WORKERS }, startWorker));
  const begin = performance.now();

  /** What was asked for, by its key. */
  const asked = new Map();
  const accepted = new Map();
  const posting = (async () => {
    for (let i = 0; i < JOBS; i++) {
      const request = {
        prompt: `picture ${i}`,
        width: 64,
        height: 64,
        steps: 24,
        sampler: "Euler a",
        count: 1 + (i % 3),
      };
      const key = `request ${i}`;
      asked.set(key, request);
      const job = await insist("/api/jobs", "POST", request, { "idempotency-key": key, "x-client": `client ${i % 5}` });
      accepted.set(key, await job.json());
    }
  })();

  /** The hashes of pictures that were once seen. */
  const seen = new Map();
  const ended = async () =>
    (await all("/api/jobs", "jobs")).filter(({ state }) => !["queued", "running"].includes(state)).length;
  let count = 0;
  // Redis after a quarter and three quarters of the jobs, the server after a half, a worker in between all the time.
  const plan = [
    [0.25, "redis"],
    [0.5, "server"],
    [0.75, "redis"],
  ];
  while (count < JOBS) {
    await sleep(600 + 1500 * random());
    if (plan.length > 0 && count >= plan[0][0] * JOBS) {
      const [[, victim]] = plan.splice(0, 1);
      killed[victim]++;
      const pause = 500 + 1500 * random();
      if (victim === "redis") {
        await redis.kill();
        await sleep(pause);
        redis = await startRedis();
      } else {
        await server.kill();
        await sleep(pause);
        server = await startServer();
      }
    } else if (accepted.size === JOBS && count < JOBS - 10) {
      const i = Math.floor(random() * WORKERS);
      killed.workers++;
      await workers[i].kill();
      workers[i] = await startWorker();
    }
    for (const { id, url: path } of await all("/api/gallery", "pictures")) {
      if (!seen.has(id)) seen.set(id, hashOf(Buffer.from(await (await insist(path)).arrayBuffer())));
    }
    count = await ended();
    process.stderr.write(`${count} of ${JOBS} jobs, killed: ${JSON.stringify(killed)}\n`);
  }
  await posting;

  const losses = [];
  let [wanted, again] = [0, 0];
  for (const [key, { id, settings }] of accepted) {
    const job = await json(`/api/jobs/${id}`);
    wanted += asked.get(key).count;
    if (job.attempts > 1) again++;
    if (job.state !== "done") losses.push(`${id} is ${job.state}: ${job.error?.message}`);
    const seeds = job.pictures.map(({ seed }) => seed - settings.seed).join();
    if (seeds !== [...Array(asked.get(key).count).keys()].join()) losses.push(`${id} has the pictures ${seeds}`);
  }
  const gallery = await all("/api/gallery", "pictures");
  const ids = new Set(gallery.map(({ id }) => id));
  if (ids.size !== gallery.length || gallery.length !== wanted) losses.push(`${gallery.length} pictures of ${wanted}`);
  if ((await all("/api/jobs", "jobs")).length !== JOBS) losses.push("a job was accepted twice");
  if (readdirSync(join(data, "pictures")).length !== wanted) losses.push("files and rows differ");
  for (const { id, url: path } of gallery) {
    const hash = hashOf(Buffer.from(await (await insist(path)).arrayBuffer()));
    if (seen.has(id) && seen.get(id) !== hash) losses.push(`${id} has changed`);
  }
  for (const id of seen.keys()) if (!ids.has(id)) losses.push(`${id} is gone`);

  const row = (...cells) => console.log(`| ${cells.join(" | ")} |`);
  row("killed with SIGKILL", "how often");
  row("---", "---");
  row(`a worker of ${WORKERS}`, killed.workers);
  row("Redis", killed.redis);
  row("the server", killed.server);
  const seconds = Math.round((performance.now() - begin) / 1000);
  console.log(`${JOBS} jobs of 5 clients, ${wanted} pictures, ${again} jobs begun again, ${seconds} s`);
  console.log(`lost or doubled: ${losses.length === 0 ? "nothing" : losses.join("; ")}`);
  process.exitCode = losses.length === 0 ? 0 : 1;
} finally {
  for (const child of living) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
}
