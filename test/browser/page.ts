/** What runs inside the page: graphs and feeds come from the server that served it, outputs go back to the test. */
import { createWebRuntime, type Session } from "../../src/runtime/web.ts";
import { type DType, type Tensor, viewBytes } from "../../src/tensor/index.ts";

/** A tensor as JSON can carry it: its bytes in base64. */
export interface Packed {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: string;
}

export type PackedTensors = Readonly<Record<string, Packed>>;

/** Where a graph lies, and what it says of its weights. */
export interface PageModel {
  readonly address: string;
  readonly name: string;
  readonly folder: string;
  readonly locations: readonly string[];
  readonly weightBytes: number;
}

const runtime = createWebRuntime({ device: "webgpu", strict: true });
let kept: { readonly address: string; readonly session: Session } | undefined;

const inPage = {
  /** What the adapter is, or nothing where there is none. */
  async adapter(): Promise<string | undefined> {
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<{ info: { description: string } } | null> } }).gpu;
    return (await gpu?.requestAdapter())?.info.description;
  },

  async run({ address, ...model }: PageModel, feeds: PackedTensors): Promise<PackedTensors> {
    if (kept?.address !== address) {
      await kept?.session.release();
      kept = undefined;
      const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer());
      kept = { address, session: await runtime.createSession({ ...model, bytes }) };
    }
    const outputs = await kept.session.run(mapValues(feeds, unpack));
    return mapValues(outputs, pack);
  },
};

export type InPage = typeof inPage;

Object.assign(globalThis, { inPage });

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (a: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function pack({ dtype, shape, data }: Tensor): Packed {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { dtype, shape, data: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
}

function unpack({ dtype, shape, data }: Packed): Tensor {
  return {
    dtype,
    shape,
    data: viewBytes(
      dtype,
      Uint8Array.from(atob(data), (c) => c.charCodeAt(0)),
    ),
  };
}
