/**
 * The longest that the caller's event loop stands still while a model is opened, loaded and draws.
 * usage: node bench/event-loop.mjs [model] [size] [steps]      needs `npm run build`
 */
import { load } from "../dist/index.js";

const [model, size = "256", steps = "3"] = process.argv.slice(2);
let phase = "open";
let last = performance.now();
const worst = new Map();
setInterval(() => {
  const now = performance.now();
  worst.set(phase, Math.max(worst.get(phase) ?? 0, now - last));
  last = now;
}, 1).unref();

const inkling = await load(model, { device: "cpu" });
phase = "load";
for await (const event of inkling.stream({ prompt: "a lady", width: +size, height: +size, steps: +steps, seed: 1 })) {
  phase = event.type;
}
await inkling.close();
console.log(Object.fromEntries([...worst].map(([name, ms]) => [name, `${ms.toFixed(1)} ms`])));
