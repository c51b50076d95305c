import { randomBytes } from "node:crypto";
import { type JobEvent, lastEvents } from "../schema/events.ts";

/** An event on its way to those who watch a job. It is written out once, whoever reads it. */
export interface Frame {
  /** EPOCH-NUMBER-PICTURES, with "-end" after the last one. */
  readonly id: string;
  readonly event: JobEvent;
  /** The same with its preview. */
  full(): JobEvent;
  /** As it goes over the wire. */
  bytes(): Uint8Array;
}

/** One who watches. */
export interface Watcher {
  /** The next frame; undefined where nothing follows. Of what passes only the last waits, so that little ever does. */
  next(): Promise<Frame | undefined>;
  close(): void;
}

/** What was told of jobs, and who listens. */
export interface Channels {
  /** Tells all that watch. `makePreview` is asked at most once, and only where somebody reads it. */
  tell(job: string, event: JobEvent, makePreview?: () => string): void;
  /** From the beginning, or from what `after` (a frame's id) says was seen. Undefined where nothing follows that. */
  watch(job: string, after?: string): Watcher | undefined;
  /** The last step that was told of a job that is drawn. */
  step(job: string): StepEvent | undefined;
  /** Its preview, a PNG as a data URL. */
  preview(job: string): string | undefined;
  /** The place in the queue that was told last. */
  place(job: string): number | undefined;
  /** Those among jobs that somebody watches. */
  watched(): string[];
  readonly watchers: number;
  /** Says so to everybody, and lets them go. */
  closeAll(event: JobEvent): void;
}

type StepEvent = Extract<JobEvent, { type: "step" }>;

/** Frames of one job that are kept for those who come late: more than its pictures and their scores. */
const MOST_KEPT = 500;
/** Of these only the last says how things stand. */
const PASSING: readonly JobEvent["type"][] = ["queued", "step", "decode"];

interface Channel {
  readonly log: Frame[];
  readonly listeners: Set<(frame: Frame | undefined) => void>;
  /** How many of the job's first pictures have been told. */
  pictures: number;
  step?: StepEvent;
  place?: number;
}

/** @param past what the books say of a job, as events, for those who ask when nothing was told of it here */
export function createChannels(past: (job: string) => readonly JobEvent[]): Channels {
  // Numbers begin anew with every process; what another one gave away must not be taken for ours.
  const epoch = randomBytes(4).toString("hex");
  const channels = new Map<string, Channel>();
  let count = 0;
  let watchers = 0;

  const frameOf = (channel: Channel, event: JobEvent, makePreview?: () => string): Frame => {
    if (event.type === "image") channel.pictures = Math.max(channel.pictures, event.picture.index + 1);
    if (event.type === "step") channel.step = event;
    channel.place = event.type === "queued" ? event.position : undefined;
    const id = `${epoch}-${++count}-${channel.pictures}${isLast(event) ? "-end" : ""}`;
    const full = once(() => (makePreview && event.type === "step" ? { ...event, preview: makePreview() } : event));
    const text = (): string => `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(full())}\n\n`;
    return { id, event, full, bytes: once(() => new TextEncoder().encode(text())) };
  };

  const open = (job: string): Channel => {
    const channel: Channel = { log: [], listeners: new Set(), pictures: 0 };
    for (const event of past(job)) put(channel.log, frameOf(channel, event));
    // Of a job that has ended nothing more is told, and the books can be read again.
    if (!channel.log.some(({ event }) => isLast(event))) channels.set(job, channel);
    return channel;
  };

  return {
    tell(job, event, makePreview) {
      // A step comes first where a job is drawn elsewhere on, and this process is new.
      const opens = event.type === "start" || event.type === "step";
      const channel = channels.get(job) ?? (opens ? open(job) : undefined);
      // Who asks later finds it in the books.
      if (!channel) return;
      const frame = frameOf(channel, event, makePreview);
      put(channel.log, frame);
      for (const listener of channel.listeners) listener(frame);
      if (isLast(event)) channels.delete(job);
    },
    watch(job, after = "") {
      if (after.endsWith("-end")) return undefined;
      const channel = channels.get(job) ?? open(job);
      const waiting = channel.log.filter(unseen(after, epoch));
      let over = channel.log.some(({ event }) => isLast(event));
      let closed = false;
      let wake = (): void => {};
      const listener = (frame: Frame | undefined): void => {
        if (frame) put(waiting, frame);
        over ||= !frame || isLast(frame.event);
        wake();
      };
      channel.listeners.add(listener);
      watchers++;
      return {
        async next() {
          while (!closed && !over && waiting.length === 0) {
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
          return closed ? undefined : waiting.shift();
        },
        close() {
          if (closed) return;
          closed = true;
          watchers--;
          channel.listeners.delete(listener);
          wake();
        },
      };
    },
    step: (job) => channels.get(job)?.step,
    preview(job) {
      const full = channels
        .get(job)
        ?.log.findLast(({ event }) => event.type === "step")
        ?.full();
      return full?.type === "step" ? full.preview : undefined;
    },
    place: (job) => channels.get(job)?.place,
    watched: () => [...channels].filter(([, { listeners }]) => listeners.size > 0).map(([job]) => job),
    get watchers() {
      return watchers;
    },
    closeAll(event) {
      for (const channel of channels.values()) {
        const frame = frameOf(channel, event);
        for (const listener of channel.listeners) {
          listener(frame);
          listener(undefined);
        }
      }
      channels.clear();
    },
  };
}

function isLast({ type }: JobEvent): boolean {
  return (lastEvents as readonly string[]).includes(type);
}

/** At the end, in the place of an earlier one that passes. */
function put(frames: Frame[], frame: Frame): void {
  const passed = frames.findIndex(({ event }) => PASSING.includes(event.type));
  if (passed >= 0) frames.splice(passed, 1);
  else if (frames.length >= MOST_KEPT) frames.shift();
  frames.push(frame);
}

/** Whether somebody has not seen a frame who was told all up to `after`: by this process, or by one before it. */
function unseen(after: string, epoch: string): (frame: Frame) => boolean {
  const [from, number, pictures] = after.split("-");
  const seen = from === epoch ? Number(number) : 0;
  return ({ id, event }) => {
    if (event.type === "image" && event.picture.index < Number(pictures)) return false;
    return Number(id.split("-")[1]) > seen;
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
