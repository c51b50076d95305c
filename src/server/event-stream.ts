import type { Frame } from "./jobs/channels.ts";

/** What is sent on: frames of a job, or those of another kind that look like them. */
export interface FrameSource {
  next(): Promise<Pick<Frame, "bytes"> | undefined>;
  close(): void;
}

/** Headers of an answer whose body is an {@link eventStream}. */
export const EVENT_STREAM = {
  "Content-Type": "text/event-stream",
  "Cache-Control": "no-store",
  // A proxy that gathers what it passes on would hold events back.
  "X-Accel-Buffering": "no",
} as const;
/** How an answer to a GET begins: an `EventSource` that was cut off connects again after so many milliseconds. */
export const RETRY = "retry: 2000\n\n";
const ALIVE = ": still here\n\n";

/**
 * Frames as the body of a text/event-stream, with a comment every so many seconds where nothing else is said, so that
 * nobody between here and the client takes the line for dead. A frame is taken when the client has taken the one before: for a
 * slow one nothing piles up.
 *
 * @param beginning sent at once
 */
export function eventStream(
  source: FrameSource,
  heartbeatSeconds: number,
  beginning = ALIVE,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next: Promise<Pick<Frame, "bytes"> | undefined> | undefined;
  return new ReadableStream(
    {
      start: (controller) => controller.enqueue(encoder.encode(beginning)),
      async pull(controller) {
        next ??= source.next();
        let timer: NodeJS.Timeout | undefined;
        const silence = new Promise<"silence">((resolve) => {
          timer = setTimeout(resolve, 1000 * heartbeatSeconds, "silence");
        });
        const frame = await Promise.race([next, silence]);
        clearTimeout(timer);
        if (frame === "silence") return controller.enqueue(encoder.encode(ALIVE));
        next = undefined;
        if (frame) return controller.enqueue(frame.bytes());
        source.close();
        controller.close();
      },
      cancel: () => source.close(),
    },
    { highWaterMark: 0 },
  );
}
