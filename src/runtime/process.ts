import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { OnnxModel } from "../graph/index.ts";
import { type Tensor, untilAborted } from "../tensor/index.ts";
import { abilitiesOf } from "./abilities.ts";
import { describeExit } from "./exit.ts";
import { disposed, numbersOf } from "./ort.ts";
import { removeDraftsOf } from "./prepared-folder.ts";
import type { KeptReference, Reply, Request } from "./protocol.ts";
import {
  type Feeds,
  type KeptTensor,
  type Outputs,
  type RunOptions,
  type Runtime,
  RuntimeEndedError,
  type RuntimeOptions,
  type Session,
  type SessionOptions,
} from "./runtime.ts";
import { addsSignedBytes } from "./signed-bytes.ts";

/** A request without its number. */
type Question = Request extends infer R ? (R extends Request ? Omit<R, "id"> : never) : never;

/**
 * ONNX Runtime in a process of its own. Its calls block an event loop for seconds and cannot be interrupted; from here
 * they are promises, and a load is cancelled by ending the process. The process starts at once, since loading ONNX
 * Runtime takes it a while; it is started anew for a session after it was ended, and outlives
 * this one, or its closing, for no longer than it takes to prepare weights.
 */
export function createProcessRuntime(options: RuntimeOptions): Runtime {
  let host = new Host(options);
  let closed = false;
  const runtime: Runtime = {
    device: options.device,
    signedBytes: addsSignedBytes(),
    makesAhead: true,
    reopensQuickly: options.device === "cpu" && options.prepared !== undefined,
    async createSession(model, session) {
      if (closed) throw new Error("The runtime was closed: open the model again to draw with it.");
      if (host.ended) host = new Host(options);
      return host.createSession(model, session);
    },
    async close() {
      closed = true;
      await host.end();
    },
  };
  return { ...runtime, abilities: abilitiesOf(runtime) };
}

/**
 * glibc keeps freed blocks of up to 32 MB for itself once it has seen some; a load frees gigabytes of them. With a fixed
 * threshold they go back: SD 2.1's U-Net stays at 3.4 instead of 4.0 GiB. Other systems do not look at it.
 */
const MEMORY_BACK_AT_ONCE = { MALLOC_MMAP_THRESHOLD_: "1048576" };

/**
 * What a session gives is copied into a buffer of JavaScript's where it has no place to be written to. Buffers of up to
 * 8 MiB come out of memory that was freed: pages that are given back and asked for anew take four times as long to copy to.
 */
const MEMORY_KEPT = { MALLOC_MMAP_THRESHOLD_: `${2 ** 23}`, MALLOC_TRIM_THRESHOLD_: `${2 ** 26}` };

/** Characters of what it says that are kept: a stack of Node's, and before it why there is one. */
const SAID_LAST = 2 ** 14;

interface Holdable {
  ref(): void;
  unref(): void;
}

interface Waiting {
  readonly type: Request["type"];
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** One life of the inference process. */
class Host {
  ended: Error | undefined;
  readonly #child: ChildProcess;
  readonly #exit: Promise<void>;
  readonly #waiting = new Map<number, Waiting>();
  #disposed: number[] = [];
  #stderr = "";
  #next = 0;
  /** Its end is awaited, whatever it may still say until then. */
  #ending = false;

  readonly #options: RuntimeOptions;

  constructor(options: RuntimeOptions) {
    this.#options = options;
    // Run from its sources (tests do), this file still needs a host that plain Node can start.
    const source = import.meta.url.endsWith(".ts");
    const script = fileURLToPath(new URL(source ? "../../dist/runtime/host.js" : "./host.js", import.meta.url));
    this.#child = fork(script, [], {
      env: { ...(options.freed === "kept" ? MEMORY_KEPT : MEMORY_BACK_AT_ONCE), ...process.env },
      serialization: "advanced",
      execArgv: [],
      stdio: ["ignore", "ignore", "pipe", "ipc"],
    });
    this.#child.stderr!.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-SAID_LAST);
    });
    this.#exit = new Promise((resolve) => {
      this.#child.once("exit", (code, signal) => {
        const die = () => {
          this.#die(new RuntimeEndedError(describeExit(code, signal, this.#stderr)));
          // Ended in the midst of a load, it leaves weights that are half prepared.
          if (options.prepared) removeDraftsOf(options.prepared.folder, this.#child.pid!);
          resolve();
        };
        // Ctrl-C came before it could learn to ignore that. It came here too, and who handles it here says why first.
        if (signal === "SIGINT") setTimeout(die, 100);
        else die();
      });
      this.#child.on("error", (error) => {
        this.#die(error);
        if (this.#child.pid === undefined) resolve();
      });
    });
    this.#child.on("message", (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      this.#hold();
      if ("error" in reply) waiting?.reject(new Error(reply.error));
      else waiting?.resolve(reply);
    });
    // A failure to open shows with the first session.
    this.#ask({ type: "open", options }).catch(() => {});
  }

  async createSession(
    model: OnnxModel,
    { signal, onNote = () => {}, ...options }: SessionOptions = {},
  ): Promise<Session> {
    signal?.throwIfAborted();
    const abort = () => this.#die(signal!.reason as Error);
    signal?.addEventListener("abort", abort, { once: true });
    try {
      const reply = await this.#ask({ type: "create", model, options });
      if (!("created" in reply)) throw new Error("The inference process gave no session.");
      for (const note of reply.notes) onNote(note);
      return this.#session(reply.created, reply.inputNames, reply.outputNames);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async end(): Promise<void> {
    const closed = new Error("The inference process was closed.");
    const isBusy = [...this.#waiting.values()].some(({ type }) => type === "create" || type === "run");
    if (this.#options.prepared && !this.ended && !isBusy) return this.#letGo(closed);
    this.#ending = true;
    this.#die(closed);
    this.#hold();
    await this.#exit;
  }

  #session(session: number, inputNames: readonly string[], outputNames: readonly string[]): Session {
    let released = false;
    const isEnded = () => released || this.ended !== undefined;
    return {
      inputNames,
      outputNames,
      get ended() {
        return isEnded();
      },
      run: async (feeds, options) => numbersOf(await this.#run(session, feeds, options)),
      runKeeping: (feeds, options) => this.#run(session, feeds, options),
      release: async () => {
        if (isEnded()) return;
        released = true;
        await this.#ask({ type: "release", session });
      },
    };
  }

  async #run(session: number, given: Feeds, { signal, into = {} }: RunOptions = {}): Promise<Outputs> {
    signal?.throwIfAborted();
    const feeds: Record<string, Tensor | Pick<KeptReference, "kept">> = {};
    for (const [name, feed] of Object.entries(given)) feeds[name] = this.#feed(name, feed);
    const places = Object.entries(into).map(([name, place]) => [name, this.#own(name, place).number] as const);
    const reply = this.#ask({ type: "run", session, feeds, into: Object.fromEntries(places) });
    const outcome = reply.then((said) => {
      if (!("outputs" in said)) throw new Error("The inference process gave no outputs.");
      const kept = Object.entries(said.kept).map(([name, reference]) => {
        const place = into[name];
        return [
          name,
          place instanceof Kept && place.number === reference.kept ? place : this.#kept(reference),
        ] as const;
      });
      return { outputs: said.outputs as Record<string, Tensor>, kept: Object.fromEntries(kept) };
    });
    try {
      return await untilAborted(outcome, signal);
    } catch (error) {
      // What nobody waits for any more is not held.
      outcome.then(
        ({ kept }) => {
          for (const [name, tensor] of Object.entries(kept)) if (tensor !== into[name]) tensor.dispose();
        },
        () => {},
      );
      throw error;
    }
  }

  #feed(name: string, feed: Tensor | KeptTensor): Tensor | Pick<KeptReference, "kept"> {
    return feed instanceof Kept ? { kept: this.#own(name, feed).number } : (feed as Tensor);
  }

  #own(name: string, tensor: KeptTensor): Kept {
    if (!(tensor instanceof Kept) || tensor.host !== this)
      throw new Error(`"${name}" was kept by another inference process, perhaps one that has ended.`);
    if (tensor.isDisposed) throw disposed(name);
    return tensor;
  }

  #kept({ kept, ...about }: KeptReference): KeptTensor {
    return new Kept(this, kept, about, () => this.#dispose(kept));
  }

  /** All that are given up in one turn go in one message. */
  #dispose(kept: number): void {
    this.#disposed.push(kept);
    if (this.#disposed.length > 1) return;
    queueMicrotask(() => {
      const all = this.#disposed;
      this.#disposed = [];
      this.#ask({ type: "dispose", kept: all }).catch(() => {});
    });
  }

  #ask(question: Question): Promise<Reply> {
    if (this.ended) return Promise.reject(this.ended);
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { type: question.type, resolve, reject });
      this.#hold();
      // Where nothing can be sent any more, the process is ending, and how it ended tells more than a closed channel.
      this.#child.send({ ...question, id } as Request, (error) => {
        if (error) void this.#exit.then(() => this.#waiting.get(id)?.reject(this.ended ?? error));
      });
    });
  }

  /** Keeps this process alive while an answer or the end is awaited, and only then: nobody has to close to let a script end. */
  #hold(): void {
    const held = this.#waiting.size > 0 || this.#ending;
    // The channel and the pipe are handles of their own; their types do not say that they can be let go.
    for (const handle of [this.#child, this.#child.channel, this.#child.stderr] as (Holdable | null | undefined)[]) {
      if (held) handle?.ref();
      else handle?.unref();
    }
  }

  /** It may prepare weights for the next time now, and ends by itself. */
  #letGo(reason: Error): void {
    this.#child.disconnect();
    this.#end(reason);
  }

  #die(reason: Error): void {
    if (this.ended) return;
    this.#child.kill("SIGKILL");
    this.#end(reason);
  }

  #end(reason: Error): void {
    this.ended = reason;
    for (const { reject } of this.#waiting.values()) reject(reason);
    this.#waiting.clear();
    this.#hold();
  }
}

/** The stand-in for a tensor in the inference process. */
class Kept implements KeptTensor {
  readonly dtype: KeptTensor["dtype"];
  readonly shape: KeptTensor["shape"];
  readonly location: KeptTensor["location"];
  readonly host: Host;
  readonly number: number;
  isDisposed = false;
  readonly #giveUp: () => void;

  constructor(host: Host, number: number, about: Omit<KeptReference, "kept">, giveUp: () => void) {
    this.host = host;
    this.number = number;
    this.dtype = about.dtype;
    this.shape = about.shape;
    this.location = about.location;
    this.#giveUp = giveUp;
  }

  get ended(): boolean {
    return this.isDisposed || this.host.ended !== undefined;
  }

  dispose(): void {
    if (!this.isDisposed) this.#giveUp();
    this.isDisposed = true;
  }
}
