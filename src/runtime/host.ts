/**
 * The inference process: owns ONNX Runtime on behalf of process.ts and does one thing after another. It ends when its
 * parent does.
 */
import { createNodeRuntime } from "./node.ts";
import type { Reply, Request } from "./protocol.ts";
import type { Runtime, Session } from "./runtime.ts";

type Answer = { [R in Reply as string]: Omit<R, "id"> }[string];

let runtime: Runtime | undefined;
const sessions = new Map<number, Session>();

async function answer(request: Request): Promise<Answer> {
  switch (request.type) {
    case "open":
      runtime = createNodeRuntime(request.options);
      return {};
    case "create": {
      const session = await runtime!.createSession(request.model);
      sessions.set(request.id, session);
      return { created: request.id, inputNames: session.inputNames, outputNames: session.outputNames };
    }
    case "run":
      return { outputs: await sessions.get(request.session)!.run(request.feeds) };
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
    process.send?.({ ...reply, id: request.id });
  });
});
process.on("disconnect", () => process.exit());
// Ctrl-C in a terminal reaches the whole group; the parent decides when this process ends.
process.on("SIGINT", () => {});
