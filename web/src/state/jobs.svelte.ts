import type { DrawRequest, GalleryItem, Job, JobEvent, JobState } from "../../../src/server/schema/index.ts";
import type { Api } from "../api/api.ts";

/** A job as this page has seen it. */
export class JobView {
  readonly id: string;
  readonly request: DrawRequest;
  /** Pictures that are drawn, candidates included. */
  total = $state(1);
  state = $state<JobState>("queued");
  position = $state<number | null>(null);
  secondsLeft = $state<number | null>(null);
  picture = $state(0);
  call = $state(0);
  calls = $state(0);
  decoding = $state(false);
  preview = $state<string>();
  pictures = $state.raw<readonly GalleryItem[]>([]);
  scores = $state.raw<readonly number[]>([]);
  notes = $state.raw<readonly string[]>([]);
  error = $state<string>();
  /** Settles when it is over, however it ended. */
  readonly ended: Promise<void>;
  #end!: () => void;

  constructor(job: Job) {
    this.id = job.id;
    this.request = job.request;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.take(job);
  }

  get over(): boolean {
    return this.state !== "queued" && this.state !== "running";
  }

  /** How much of all pictures is done, 0–1. */
  get share(): number {
    if (this.state === "done") return 1;
    const ofPicture = this.calls > 0 ? Math.min(1, this.call / this.calls) : 0;
    // The decoder takes about as long as a step or two: it is never quite done before the picture is there.
    return Math.min(0.99, (this.picture + 0.97 * ofPicture) / this.total);
  }

  take({ state, position, progress, secondsLeft, pictures, error, settings }: Job): void {
    this.state = state;
    this.position = position;
    this.secondsLeft = secondsLeft;
    this.pictures = pictures;
    this.error = error?.message;
    this.total = progress?.pictures ?? settings.count * (settings.bestOf ?? 1);
    if (progress) [this.picture, this.call, this.calls] = [progress.picture, progress.call, progress.calls];
    if (this.over) this.#end();
  }

  lose(message: string): void {
    [this.state, this.error] = ["failed", message];
    this.#end();
  }

  tell(event: JobEvent): void {
    switch (event.type) {
      case "queued":
        [this.state, this.position, this.secondsLeft] = ["queued", event.position, event.secondsLeft];
        return;
      case "start":
        [this.state, this.position, this.total] = ["running", null, event.pictures];
        return;
      case "step":
        this.state = "running";
        this.decoding = false;
        [this.picture, this.call, this.calls] = [event.picture, event.call + 1, event.calls];
        this.secondsLeft = event.secondsLeft;
        if (event.preview) this.preview = event.preview;
        return;
      case "decode":
        [this.decoding, this.secondsLeft] = [true, event.secondsLeft];
        return;
      case "score":
        this.scores = [...this.scores, event.score];
        return;
      case "image":
        if (!this.pictures.some(({ id }) => id === event.picture.id)) this.pictures = [...this.pictures, event.picture];
        return;
      case "note":
        if (!this.notes.includes(event.message)) this.notes = [...this.notes, event.message];
        return;
      case "failed":
        this.lose(event.error.message);
        return;
      case "done":
      case "cancelled":
        this.state = event.type;
        this.#end();
        return;
      case "stopping":
        this.secondsLeft = null;
    }
  }
}

/** So many jobs are remembered. */
const KEPT = 100;
/** Jobs that are watched at once: a browser opens six lines to a server, for all of its pages together. */
const WATCHED = 2;

/** The jobs of this page, the latest last. */
export class Jobs {
  list = $state.raw<readonly JobView[]>([]);
  readonly #api: Api;
  readonly #waiting: JobView[] = [];
  #watched = 0;
  /** What is said of a job that can be watched no more. */
  readonly #lostLine: string;

  constructor(api: Api, lostLine: string) {
    this.#api = api;
    this.#lostLine = lostLine;
  }

  /** The one that is drawn or waits, the first of them. */
  get active(): JobView | undefined {
    return this.list.find((job) => !job.over);
  }

  get latest(): JobView | undefined {
    return this.list.at(-1);
  }

  async draw(request: DrawRequest): Promise<JobView> {
    return this.#watch(await this.#api.draw(request, key()));
  }

  async retry(id: string): Promise<JobView> {
    return this.#watch(await this.#api.retry(id));
  }

  async cancel(id: string): Promise<void> {
    const job = await this.#api.cancel(id);
    this.list.find((view) => view.id === id)?.take(job);
  }

  /** What was running when the page was opened is watched on. */
  async resume(): Promise<void> {
    const { jobs } = await this.#api.jobs({ limit: 50 });
    for (const job of jobs.reverse()) {
      if (job.state === "queued" || job.state === "running") this.#watch(job);
    }
  }

  #watch(job: Job): JobView {
    const known = this.list.find(({ id }) => id === job.id);
    if (known) return known;
    const view = new JobView(job);
    // Those that are long over are in the gallery.
    this.list = [...this.list.filter((each, at, all) => !each.over || at >= all.length - KEPT), view];
    this.#waiting.push(view);
    this.#next();
    return view;
  }

  /** Watches the jobs that are drawn first; the others wait with what was told when they were accepted. */
  #next(): void {
    while (this.#watched < WATCHED) {
      const view = this.#waiting.shift();
      if (!view) return;
      if (view.over) continue;
      this.#watched++;
      const end = this.#api.watch(
        view.id,
        (event) => view.tell(event),
        () => void this.#lose(view),
      );
      void view.ended.then(() => {
        end();
        this.#watched--;
        this.#next();
      });
    }
  }

  /** The browser gave up: the job may be over all the same. */
  async #lose(view: JobView): Promise<void> {
    try {
      view.take(await this.#api.job(view.id));
    } catch {
      // Said below.
    }
    if (!view.over) view.lose(this.#lostLine);
  }
}

/** Also where the page is not in a secure context, and `crypto.randomUUID` is missing. */
function key(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join("-");
}
