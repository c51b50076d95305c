/**
 * The inference process: owns ONNX Runtime on behalf of process.ts and does one thing after another. It ends when its
 * parent does or lets go of it; where weights are prepared it does that first, at low priority.
 */
import { constants, setPriority } from "node:os";
import { createNodeRuntime } from "./node.ts";
import type { KeptReference, Reply, Request } from "./protocol.ts";
import type { Feeds, KeptTensor, Runtime, Session } from "./runtime.ts";

type Answer = { [R in Reply as string]: Omit<R, "id"> }[string];

let runtime: Runtime | undefined;
let prepares = false;
const sessions = new Map<number, Session>();
const keptTensors = new Map<number, KeptTensor>();
let nextKept = 0;

type Run = Extract<Request, { type: "run" }>;

async function run({ session, feeds, into }: Run): Promise<Answer> {
  const given: Feeds = Object.fromEntries(
    Object.entries(feeds).map(([name, feed]) => [name, "kept" in feed ? keptTensors.get(feed.kept)! : feed]),
  );
  const places = Object.fromEntries(Object.entries(into).map(([name, number]) => [name, keptTensors.get(number)!]));
  const { outputs, kept } = await sessions.get(session)!.runKeeping(given, { into: places });
  const references: Record<string, KeptReference> = {};
  for (const [name, tensor] of Object.entries(kept)) {
    const number = tensor === places[name] ? into[name]! : nextKept++;
    keptTensors.set(number, tensor);
    const { dtype, shape, location } = tensor;
    references[name] = { kept: number, dtype, shape, location };
  }
  return { outputs, kept: references };
}

async function answer(request: Request): Promise<Answer> {
  switch (request.type) {
    case "open":
      runtime = createNodeRuntime(request.options);
      prepares = request.options.prepared !== undefined;
      return {};
    case "create": {
      const notes: string[] = [];
      const { model, options } = request;
      const session = await runtime!.createSession(model, { ...options, onNote: (line) => notes.push(line) });
      sessions.set(request.id, session);
      const { inputNames, outputNames } = session;
      return { created: request.id, inputNames, outputNames, notes };
    }
    case "run":
      return run(request);
    case "dispose":
      for (const number of request.kept) {
        keptTensors.get(number)?.dispose();
        keptTensors.delete(number);
      }
      return {};
    case "release":
      await sessions.get(request.session)?.release();
      sessions.delete(request.session);
      return {};
  }
}

let queue = Promise.resolve();
process.on("message", (request: Request) => {
  queue = queue.then(async () => {
    const reply = await answer(request).catch((error: unknown) => ({
      error: error instanceof Error ? error.message : String(error),
    }));
    // Who let go of this process waits for no answer.
    process.send?.({ ...reply, id: request.id }, undefined, undefined, () => {});
  });
});
// Nobody waits for anything any more: time for what makes the next start fast.
process.on("disconnect", () => {
  queue
    .then(async () => {
      if (!prepares) return;
      setPriority(constants.priority.PRIORITY_LOW);
      for (const tensor of keptTensors.values()) tensor.dispose();
      await runtime?.close();
    })
    .catch(() => {})
    .finally(() => process.exit());
});
// Ctrl-C in a terminal reaches the whole group; the parent decides when this process ends.
process.on("SIGINT", () => {});
// A limit on the length of files (ulimit -f) becomes an error of the write that prepares weights.
process.on("SIGXFSZ", () => {});
