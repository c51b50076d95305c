import type { Config } from "../../pipelines/config.ts";
import type { DrawnSettings, DrawRequest } from "../schema/draw.ts";
import type { JobEvent } from "../schema/events.ts";

/** What has to be known to draw a job, wherever that is done. */
export interface JobOrder {
  readonly id: string;
  readonly client: string;
  /** Its seed is settled. */
  readonly request: DrawRequest;
  readonly settings: DrawnSettings;
  /** Its first pictures, so many, are kept already: the next are drawn. */
  readonly drawn: number;
  /** What the names of goals mean beside the package's own. */
  readonly goals?: Config["goals"];
  /** The bytes of the files that it starts from. */
  readonly image?: Uint8Array;
  readonly mask?: Uint8Array;
}

/** A finished picture on its way into the gallery. */
export interface DrawnPicture {
  readonly type: "picture";
  readonly index: number;
  readonly width: number;
  readonly height: number;
  readonly settings: DrawnSettings;
  readonly infotext: string;
  readonly score?: number;
  /** Its seconds from noise to pixels. */
  readonly seconds: number;
  readonly png: Uint8Array;
}

/** What is told while a job is drawn: events for those who watch, and pictures. A preview is made when it is asked for. */
export type WorkEvent =
  | (Extract<JobEvent, { type: "step" }> & { readonly makePreview?: () => string })
  | Extract<JobEvent, { type: "decode" | "score" | "note" }>
  | DrawnPicture;

/** How a job ended. `stopped`: it was cut off and is to be begun again. */
export type Outcome =
  | { readonly type: "done" | "cancelled" | "stopped" }
  | { readonly type: "failed"; readonly message: string };

/** Keeps the books for a queue: what it is told is on the disk when it returns, or its promise resolves. */
export interface Clerk {
  /** What has to be known to draw it. Undefined where it is not to be drawn (any more). */
  order(id: string): Promise<JobOrder | undefined>;
  /** Its turn has come, once more where whoever drew it is gone. False where it is not to be drawn (any more). */
  begin(id: string): boolean;
  told(id: string, event: WorkEvent): Promise<void>;
  end(id: string, outcome: Outcome): void;
  /** Whether all its pictures are kept. */
  isWhole(id: string): boolean;
  /** Others have moved up. */
  moved(): void;
  /** Whether somebody looks at it just now. */
  watched(id: string): boolean;
}

/** Where accepted jobs wait for their turn. They are stored elsewhere: a queue may forget them, and is told them anew at a start. */
export interface JobQueue {
  /** Whether jobs are drawn on while this process is stopped, or killed. */
  readonly outlives: boolean;
  /** Jobs are drawn from now on. */
  start(clerk: Clerk): void;
  /** Puts a stored job in line; one that is there already stays where it is. */
  add(job: { readonly id: string; readonly client: string }): Promise<void>;
  /** Out of the line, or an end to its drawing: in that case the clerk is told. False where it was in neither. */
  cancel(id: string): Promise<boolean>;
  /** The ids of those that wait, in the order in which they will be drawn. */
  waiting(): readonly string[];
  /** Those that are drawn now. */
  running(): readonly string[];
  /** Takes no more; what this process draws may go on for so many seconds, and is then told to the clerk as `stopped`. */
  close(graceSeconds: number): Promise<void>;
}
