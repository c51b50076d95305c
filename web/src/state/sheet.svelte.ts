import type { DrawRequest, GalleryItem } from "../../../src/server/schema/index.ts";
import type { Jobs, JobView } from "./jobs.svelte.ts";

/** One picture of a sheet. */
export class Cell {
  readonly request: DrawRequest;
  job = $state.raw<JobView>();
  error = $state<string>();

  constructor(request: DrawRequest) {
    this.request = request;
  }

  get picture(): GalleryItem | undefined {
    return this.job?.pictures[0];
  }
}

/** A side of a sheet: what changes there, and its values. */
export interface Side {
  readonly name: string;
  readonly values: readonly string[];
}

/** So many of a sheet's jobs wait at the server at once: others are served between them. */
const AT_ONCE = 3;

/** Pictures over one, two or three settings, drawn one after another. It goes on while other views are looked at. */
export class Sheet {
  /** Columns, rows, and one table after another. */
  sides = $state.raw<readonly [Side, Side, Side]>();
  /** [z][y][x] */
  cells = $state.raw<readonly (readonly (readonly Cell[])[])[]>([]);
  running = $state(false);
  #stop = new AbortController();
  readonly #jobs: Jobs;

  constructor(jobs: Jobs) {
    this.#jobs = jobs;
  }

  get all(): readonly Cell[] {
    return this.cells.flat(2);
  }

  get done(): number {
    return this.all.filter(({ picture }) => picture).length;
  }

  /** Draws all cells; settles when they are done or it was cancelled. */
  async draw(
    sides: readonly [Side, Side, Side],
    request: (x: string, y: string, z: string) => DrawRequest,
  ): Promise<void> {
    await this.cancel();
    const [columns, rows, tables] = sides;
    this.sides = sides;
    this.cells = tables.values.map((z) =>
      rows.values.map((y) => columns.values.map((x) => new Cell(request(x, y, z)))),
    );
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    const waiting = [...this.all];
    this.running = true;
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work(waiting, signal)));
    if (!signal.aborted) this.running = false;
  }

  async cancel(): Promise<void> {
    this.#stop.abort();
    this.running = false;
    const open = this.all.flatMap(({ job }) => (job && !job.over ? [job.id] : []));
    await Promise.all(open.map((id) => this.#jobs.cancel(id)));
  }

  async #work(waiting: Cell[], signal: AbortSignal): Promise<void> {
    for (let cell = waiting.shift(); cell && !signal.aborted; cell = waiting.shift()) {
      try {
        cell.job = await this.#jobs.draw(cell.request);
        if (signal.aborted) await this.#jobs.cancel(cell.job.id);
        await cell.job.ended;
        cell.error = cell.job.error;
      } catch (error) {
        cell.error = error instanceof Error ? error.message : String(error);
      }
    }
  }
}
