import { createNodeRuntime, type Runtime } from "../../src/runtime/index.ts";

/** A runtime that tells how many sessions were made with it, as `load` takes it. */
export function countingRuntime() {
  let sessions = 0;
  const plain = createNodeRuntime({ device: "cpu", threads: 1 });
  const runtime: Runtime = {
    ...plain,
    createSession: (model, options) => {
      sessions++;
      return plain.createSession(model, options);
    },
  };
  const choice = { device: "cpu", works: true, reason: "as asked" } as const;
  return { starting: Promise.resolve({ runtime, choice }), sessions: () => sessions };
}
