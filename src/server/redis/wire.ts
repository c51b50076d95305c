/** What goes between server and workers, and where it lies in Redis. */
import type { Redis } from "ioredis";
import type { JobOrder, Outcome, WorkEvent } from "../jobs/queue.ts";

/** BullMQ's queue, the same for all servers and workers. */
export const QUEUE = { name: "jobs", prefix: "inkling" };

/** What passes, and is lost on nobody who is not there. */
export type PassingEvent = Extract<WorkEvent, { type: "step" | "decode" }>;

/** What must arrive: it lies in a stream until the server has it in its books. */
export interface Report {
  readonly job: string;
  /** Who draws it: the same in all that is told of one attempt. */
  readonly worker: string;
  readonly event:
    | Exclude<WorkEvent, PassingEvent>
    | { readonly type: "begun" }
    | { readonly type: "ended"; readonly outcome: Outcome }
    /** The server's own: all that stands before it has been read. */
    | { readonly type: "mark" };
}

/** What is published, for a server that listens just now. `preview`: a PNG as a data URL, where somebody wants to see it. */
export interface Passing {
  readonly job: string;
  readonly worker: string;
  readonly event: Omit<PassingEvent, "makePreview">;
  readonly preview?: string;
}

/** What a server wants of whoever draws a job. */
export type Wish = "cancel" | "preview";

/** Where a server finds what is for it. */
export const placesOf = (server: string) => ({
  reports: `${QUEUE.prefix}:${server}:reports`,
  passing: `${QUEUE.prefix}:${server}:passing`,
  wish: (job: string): string => `${QUEUE.prefix}:${server}:wish:${job}`,
  /** What BullMQ calls it by. */
  job: (job: string): string => `${server}-${job}`,
});

/** A job as BullMQ has it: as JSON. */
export interface SentOrder extends Omit<JobOrder, "image" | "mask"> {
  readonly server: string;
  /** Base64. */
  readonly image?: string;
  readonly mask?: string;
}

export function sentOrder({ image, mask, ...order }: JobOrder, server: string): SentOrder {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  return { ...order, server, ...(image && { image: text(image) }), ...(mask && { mask: text(mask) }) };
}

/** @param drawn how many pictures its drawers before this one have handed over */
export function receivedOrder({ image, mask, server: _, ...order }: SentOrder, drawn: number): JobOrder {
  const bytes = (text: string): Uint8Array => Buffer.from(text, "base64");
  return {
    ...order,
    drawn: Math.max(order.drawn, drawn),
    ...(image && { image: bytes(image) }),
    ...(mask && { mask: bytes(mask) }),
  };
}

/** Resolves when Redis has it. */
export async function sendReport(client: Redis, stream: string, report: Report): Promise<void> {
  const { event } = report;
  if (event.type !== "picture") await client.xadd(stream, "*", "report", JSON.stringify(report));
  else {
    const { png, ...rest } = event;
    const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
    await client.xadd(stream, "*", "report", JSON.stringify({ ...report, event: rest }), "png", bytes);
  }
}

/** @param fields names and values in turns */
export function readReport([, text, , png]: readonly Buffer[]): Report {
  const report = JSON.parse(text!.toString()) as Report;
  return png && report.event.type === "picture" ? { ...report, event: { ...report.event, png } } : report;
}
