import { byteLength } from "../../src/graph/index.ts";
import type { KeptTensor, Runtime } from "../../src/runtime/index.ts";
import { numbersOf } from "../../src/runtime/ort.ts";

export interface Watched {
  readonly runtime: Runtime;
  /** What went to it and came from it as numbers, by graph and name, and how many bytes at a time. */
  readonly crossed: Map<string, number[]>;
  /** What it kept, by name, and where. */
  readonly kept: Map<string, string>;
  /** What it kept and nobody has disposed of. */
  alive(): number;
}

/** A runtime that tells what crosses between it and this process. */
export function watched(runtime: Runtime): Watched {
  const crossed: Watched["crossed"] = new Map();
  const kept: Watched["kept"] = new Map();
  const tensors = new Set<KeptTensor>();
  const note = (name: string, tensor: Parameters<typeof byteLength>[0]): void => {
    crossed.set(name, [...(crossed.get(name) ?? []), byteLength(tensor)]);
  };
  const it: Runtime = {
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      const told: typeof session.runKeeping = async (feeds, about) => {
        for (const [name, feed] of Object.entries(feeds)) if ("data" in feed) note(`${model.name} < ${name}`, feed);
        const found = await session.runKeeping(feeds, about);
        for (const [name, tensor] of Object.entries(found.outputs)) note(`${model.name} > ${name}`, tensor);
        for (const [name, tensor] of Object.entries(found.kept)) {
          kept.set(name, tensor.location);
          tensors.add(tensor);
        }
        return found;
      };
      return {
        ...session,
        get ended() {
          return session.ended;
        },
        runKeeping: told,
        run: async (feeds, about) => numbersOf(await told(feeds, about)),
      };
    },
  };
  return { runtime: it, crossed, kept, alive: () => [...tensors].filter(({ ended }) => !ended).length };
}
