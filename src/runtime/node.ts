import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { InferenceSession } from "onnxruntime-node";
import type { OnnxModel } from "../graph/index.ts";
import { abilitiesOf } from "./abilities.ts";
import { openModel } from "./ahead.ts";
import { copyless, endsLast, withEnd } from "./in-place.ts";
import { keepingOn, type Opened, toSession } from "./ort.ts";
import { preparedSessions } from "./prepared.ts";
import type { Runtime, RuntimeOptions, Session, SessionOptions } from "./runtime.ts";
import { addsSignedBytes } from "./signed-bytes.ts";

type Ort = typeof import("onnxruntime-node");

/**
 * "all" also lays convolutions out in blocks of channels: 10 % faster, but while a graph loads its convolutions' weights
 * are there twice. For SD 2.1's U-Net that was 5.5 instead of 4.5 GiB and a load twice as long, for 4 % of a step.
 */
const BLOCKED_LAYOUT_LIMIT = 2 ** 30;

/**
 * ONNX Runtime in this very process. Its `create` and `run` block the event loop for their whole duration, so only
 * the inference process and short tests use it directly; everything else goes through process.ts.
 */
export function createNodeRuntime({ device, threads, strict = false, profile, prepared }: RuntimeOptions): Runtime {
  // Else it keeps a number for this machine in the cache folder and reports what is run on it to its maker.
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
  // Required, not imported: the library is CommonJS and takes 100 ms to load, which only the inference process pays.
  const ort: Ort = createRequire(import.meta.url)("onnxruntime-node");
  const open = new Set<Opened>();
  const keeper = prepared && device === "cpu" ? preparedSessions(ort, prepared) : undefined;
  let ends: Promise<boolean> | undefined;
  /** What keeps its outputs may write them where they lie, without a copy. */
  const openAsIs = async (
    model: OnnxModel,
    options: InferenceSession.SessionOptions,
    keep: readonly string[] = [],
  ): Promise<InferenceSession> => {
    if (device === "cpu" && keep.length > 0) {
      ends ??= endsLast(ort);
      if (await ends) return copyless(ort, await openModel(ort, withEnd(model), options));
    }
    return openModel(ort, model, options);
  };
  const runtime: Runtime = {
    device,
    signedBytes: addsSignedBytes(),
    makesAhead: true,
    async createSession(model: OnnxModel, { keep, prepare = true, onNote }: SessionOptions = {}): Promise<Session> {
      const options: InferenceSession.SessionOptions = {
        executionProviders: [device],
        ...keepingOn(device, keep),
        intraOpNumThreads: threads ?? availableParallelism(),
        graphOptimizationLevel: model.weightBytes > BLOCKED_LAYOUT_LIMIT ? "extended" : "all",
        logSeverityLevel: 3,
        // A block for all of a run's intermediate results is taken beside those of the first run, which stay: of SD 2.1 at
        // 256² nearly a gigabyte after a second picture, for no time that could be measured.
        enableMemPattern: false,
        ...(profile && { enableProfiling: true, profileFilePrefix: join(profile, model.name) }),
        extra: {
          session: {
            // A session's threads wait for its next run at full speed, and take the cores from whichever session is next.
            force_spinning_stop: "1",
            ...(model.folder && { model_external_initializers_file_folder_path: model.folder }),
            ...(strict && { disable_cpu_ep_fallback: "1" }),
          },
        },
      };
      const inner = await (keeper && prepare ? keeper.create(model, options, onNote) : openAsIs(model, options, keep));
      return toSession(ort, inner, open, { keep });
    },
    async close() {
      for (const session of [...open]) await session.end();
      await keeper?.finish();
    },
  };
  return { ...runtime, abilities: abilitiesOf(runtime) };
}
