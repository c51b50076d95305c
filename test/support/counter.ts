/** Two graphs for tensors that are kept. Free of Node and of the test runner: pages keep them too. */
import { add, Graph, lowerFor, toOnnx } from "../../src/graph/index.ts";
import type { Runtime, Session } from "../../src/runtime/runtime.ts";

type Sessions = Pick<Runtime, "device" | "createSession">;

/** sum = x + 1, which is kept. */
export function counter(runtime: Sessions): Promise<Session> {
  const g = new Graph("counter");
  g.output("sum", add(g.input("x", "float32", ["n"]), 1));
  return runtime.createSession(toOnnx(lowerFor(runtime.device, g), noWeights), { keep: ["sum"] });
}

/** x as it is, which is not kept: how what is kept is read. */
export function reader(runtime: Sessions): Promise<Session> {
  const g = new Graph("reader");
  g.output("y", g.input("x", "float32", ["n"]));
  return runtime.createSession(toOnnx(g, noWeights));
}

function noWeights(name: string): never {
  throw new Error(`The graph has no weight "${name}".`);
}
