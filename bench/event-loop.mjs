/**
 * The longest that the caller's event loop stands still while a model is opened, loaded and draws, by phase: by the
 * clock, and how much of that this process computed. On a busy machine the rest was spent waiting for a core.
 * usage: node bench/event-loop.mjs [model] [size] [steps]      needs `npm run build`
 */
import { load } from "../dist/index.js";

const [model, size = "256", steps = "3"] = process.argv.slice(2);
let phase = "open";
let last = performance.now();
let usage = process.cpuUsage();
const worst = new Map();
setInterval(() => {
  const now = performance.now();
  const { user, system } = process.cpuUsage(usage);
  const [clock, computed] = [now - last, (user + system) / 1000];
  const before = worst.get(phase);
  worst.set(phase, {
    clock: Math.max(before?.clock ?? 0, clock),
    // Other threads of the process compute too, so it is never more than the clock says.
    computed: Math.max(before?.computed ?? 0, Math.min(clock, computed)),
  });
  last = now;
  usage = process.cpuUsage();
}, 1).unref();

const inkling = await load(model, { device: "cpu" });
phase = "load";
for await (const event of inkling.stream({ prompt: "a lady", width: +size, height: +size, steps: +steps, seed: 1 })) {
  phase = event.type;
}
await inkling.close();
const ms = (value) => `${value.toFixed(1)} ms`;
console.table(
  Object.fromEntries(
    [...worst].map(([name, { clock, computed }]) => [name, { clock: ms(clock), computed: ms(computed) }]),
  ),
);
