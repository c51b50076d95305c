import type { Frame } from "./jobs/channels.ts";

/** What is sent on: frames of a job, or those of another kind that look like them. */
export interface FrameSource {
  next(): Promise<Pick<Frame, "bytes"> | undefined>;
  close(): void;
}

/** Milliseconds after which a client that was cut off connects again. */
const RETRY = 2000;

/**
 * Frames as the body of a text/event-stream, with a comment every so many seconds where nothing else is said. A frame is
 * taken when the client has taken the one before: for a slow one nothing piles up.
 */
export function eventStream(source: FrameSource, heartbeatSeconds: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let next: Promise<Pick<Frame, "bytes"> | undefined> | undefined;
  return new ReadableStream(
    {
      start: (controller) => controller.enqueue(encoder.encode(`retry: ${RETRY}\n\n`)),
      async pull(controller) {
        next ??= source.next();
        let timer: NodeJS.Timeout | undefined;
        const silence = new Promise<"silence">((resolve) => {
          timer = setTimeout(resolve, 1000 * heartbeatSeconds, "silence");
        });
        const frame = await Promise.race([next, silence]);
        clearTimeout(timer);
        if (frame === "silence") return controller.enqueue(encoder.encode(": still here\n\n"));
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
