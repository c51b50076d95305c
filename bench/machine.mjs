/** What else the machine does while something is timed, and what processes have taken of its memory; Linux only. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

const TICK = 0.01;

/**
 * Seconds so far: taken by the hypervisor, spent computing by anybody, and by `pids` with their ended children, and
 * waited for memory or a disk by anybody.
 */
function clocks(pids) {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8").split(/\s+/).map(Number);
  const own = pids.map((pid) => sumOf(timesOf(pid)));
  const sum = (ticks) => TICK * sumOf(ticks);
  const busy = sum([user, nice, system, irq, softirq]);
  return { stolen: steal * TICK, busy, own: sum(own), waited: waitedFor("memory") + waitedFor("io") };
}

const sumOf = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** Ticks of a process in its own code and in the system's, and the same of its ended children. */
function timesOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return fields.slice(11, 15).map(Number);
}

/** Seconds of a process, without its children; undefined once it has ended. */
function computedBy(pid) {
  try {
    return TICK * sumOf(timesOf(pid).slice(0, 2));
  } catch {
    return undefined;
  }
}

/** Some kernels do not tell. */
function waitedFor(what) {
  const file = `/proc/pressure/${what}`;
  return existsSync(file) ? Number(/some.*total=(\d+)/.exec(readFileSync(file, "utf8"))[1]) / 1e6 : 0;
}

/**
 * Times `work`. `disturbed` adds up the shares of the time in which it was: of the processors' time what others took (the
 * hypervisor, processes other than `pids`), of the clock's what somebody waited for memory or a disk. Processes that outlive
 * who started them are among the ended children of nobody: `computedOf(result)` says how many seconds such were seen to take.
 */
export async function timed(pids, work, computedOf = () => 0) {
  const before = clocks(pids);
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  const after = clocks(pids);
  const passed = (key) => after[key] - before[key];
  const capacity = seconds * cpus().length;
  const stolen = passed("stolen") / capacity;
  const own = Math.max(passed("own"), computedOf(result));
  const others = Math.max(0, passed("busy") - own) / capacity;
  const waited = passed("waited") / seconds;
  return { result, seconds, stolen, others, waited, disturbed: stolen + others + waited };
}

/** Processes that this one has started. */
export function children() {
  return everybody().filter((pid) => parentOf(pid) === process.pid);
}

function everybody() {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** A process that has ended meanwhile has no parent. */
function parentOf(pid) {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** A process and all that came of it. */
function family(pid) {
  const parents = everybody().map((one) => [one, parentOf(one)]);
  const found = [pid];
  for (const parent of found) found.push(...parents.filter(([, of]) => of === parent).map(([one]) => one));
  return found;
}

const LOOK_EVERY = 100;
const COUNT_EVERY = 10;

/**
 * Watches a process and all that came of it, ten times a second. Memory in MiB: `resident` with the pages of files that they
 * have mapped (those of two processes count twice), `anonymous` without, both the most of the sums that were seen; of a
 * single process `resident` is what the kernel remembers, which misses nothing. `computed`: seconds that all of them took.
 */
export function watch(pid) {
  const peak = { resident: 0, anonymous: 0 };
  const computed = new Map();
  let pids = [pid];
  let looks = 0;
  const timer = setInterval(() => {
    if (looks++ % COUNT_EVERY === 0) pids = family(pid);
    const held = pids.map(memoryOf);
    for (const one of pids) computed.set(one, computedBy(one) ?? computed.get(one) ?? 0);
    const sum = (key) => held.reduce((all, one) => all + one[key], 0);
    peak.resident = Math.max(peak.resident, sum("resident"), ...held.map((one) => one.peak));
    peak.anonymous = Math.max(peak.anonymous, sum("anonymous"));
  }, LOOK_EVERY);
  return {
    end() {
      clearInterval(timer);
      return { ...peak, computed: [...computed.values()].reduce((a, b) => a + b, 0) };
    },
  };
}

function memoryOf(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const of = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
    return { resident: of("VmRSS"), anonymous: of("RssAnon"), peak: of("VmHWM") };
  } catch {
    return { resident: 0, anonymous: 0, peak: 0 };
  }
}

/** The most memory that a process has held so far, MiB. */
export function peakOf(pid) {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

export function describeMachine() {
  const [{ model }] = cpus();
  return `${cpus().length} cores of ${model.trim()}, Node ${process.version}, load ${loadavg()[0].toFixed(1)}`;
}
