/** What else the machine does while something is timed, and what processes have taken of its memory; Linux only. */
import { readdirSync, readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";

const TICK = 0.01;

/** Seconds so far: taken by the hypervisor, spent computing by anybody, and by `pids`, and waited for memory. */
function clocks(pids) {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8").split(/\s+/).map(Number);
  const own = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return Number(fields[11]) + Number(fields[12]);
  });
  const memory = Number(/some.*total=(\d+)/.exec(readFileSync("/proc/pressure/memory", "utf8"))?.[1] ?? 0) / 1e6;
  const sum = (ticks) => TICK * ticks.reduce((a, b) => a + b, 0);
  return { stolen: steal * TICK, busy: sum([user, nice, system, irq, softirq]), own: sum(own), memory };
}

/**
 * Times `work`. `disturbed` is the share of the processors' time that others took meanwhile (the hypervisor, processes
 * other than `pids`) or that somebody waited for memory.
 */
export async function timed(pids, work) {
  const before = clocks(pids);
  const start = performance.now();
  const result = await work();
  const seconds = (performance.now() - start) / 1000;
  const after = clocks(pids);
  const passed = (key) => after[key] - before[key];
  const others = Math.max(0, passed("busy") - passed("own"));
  return { result, seconds, disturbed: (passed("stolen") + others + passed("memory")) / (seconds * cpus().length) };
}

/** Processes that this one has started. */
export function children() {
  const parents = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return parents.map(Number).filter((pid) => {
    try {
      return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")[1]) === process.pid;
    } catch {
      return false;
    }
  });
}

/** The most memory that a process has held so far, MiB. */
export function peakOf(pid) {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

export function describeMachine() {
  const [{ model }] = cpus();
  return `${cpus().length} cores of ${model.trim()}, Node ${process.version}, load ${loadavg()[0].toFixed(1)}`;
}
