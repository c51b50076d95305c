import { setTimeout as sleep } from "node:timers/promises";
import { Queue } from "bullmq";
import { createFairLine } from "../jobs/fair-line.ts";
import type { QueueOptions } from "../jobs/local-queue.ts";
import type { Clerk, JobOrder, JobQueue } from "../jobs/queue.ts";
import { type RedisPlace, withoutCommand } from "./connect.ts";
import { type ReportReader, readReports } from "./reports.ts";
import { type Passing, placesOf, QUEUE, type Report, type SentOrder, sentOrder } from "./wire.ts";

/** A job that BullMQ has. */
interface Sent {
  /** A worker has it. */
  readonly drawn: boolean;
  /** Which one, as far as it has said so. */
  worker?: string;
  /** Whether that was asked for previews. */
  previews?: boolean;
}

/** So many jobs lie ready for workers: who is done finds the next at once, and turns are kept until the last moment. */
const AHEAD = 2;
/** Seconds between two looks at whether Redis still has what it was given. */
const LOOK = 15;
/** Seconds that a wish stands: longer than any drawing. */
const WISH = 86_400;
/** Milliseconds after which a job that Redis refused is sent again. */
const PAUSE = 1000;

/**
 * A queue at Redis, by BullMQ, for any number of workers. Who is next is decided here, by the fair line; BullMQ gives what lies
 * ready to one worker, and to another one when that does not answer any more. Closes `redis` with itself.
 */
export function createRedisQueue(redis: RedisPlace, { server, onError }: Omit<QueueOptions, "draw">): JobQueue {
  const { client } = redis;
  const places = placesOf(server);
  const bull = new Queue<SentOrder>(QUEUE.name, {
    connection: client as never,
    prefix: QUEUE.prefix,
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    streams: { events: { maxLen: 100 } },
  });
  bull.on("error", () => {});
  const line = createFairLine();
  /** Whose jobs those are that have not ended. */
  const clients = new Map<string, string>();
  const sent = new Map<string, Sent>();
  let clerk: Clerk;
  let reports: ReportReader | undefined;
  let closing = false;

  const ofSent = (drawn: boolean): string[] => [...sent].filter(([, job]) => job.drawn === drawn).map(([id]) => id);
  const complain = (error: unknown, id: string): void => {
    if (!closing) onError(withoutCommand(error), id);
  };

  /** What looks and what sends take turns: a job on its way must not be taken for one that was lost. */
  let last: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>): void => {
    last = last.then(() => (closing ? undefined : work())).catch((error: unknown) => complain(error, ""));
  };
  let feeding = false;
  function feed(): void {
    if (feeding || !reports) return;
    feeding = true;
    inTurn(async () => {
      feeding = false;
      while (!closing && ofSent(false).length < AHEAD) {
        const id = line.next();
        if (id === undefined) return;
        sent.set(id, { drawn: false });
        const order = await clerk.order(id);
        if (order && sent.has(id)) await send(order);
        else forget(id);
      }
    });
  }

  async function send(order: JobOrder): Promise<void> {
    const { id } = order;
    for (; sent.has(id) && !closing; await sleep(PAUSE)) {
      try {
        await bull.add("draw", sentOrder(order, server), { jobId: places.job(id) });
        return;
      } catch (error) {
        complain(error, id);
      }
    }
  }

  function forget(id: string): void {
    line.remove(id);
    sent.delete(id);
    clients.delete(id);
  }

  /** Takes it out of BullMQ's hands: at once, or as soon as Redis is there and whoever draws it asks. */
  function recall(id: string): void {
    const gone = (error: unknown): void => complain(error, id);
    client.set(places.wish(id), "cancel", "EX", WISH).catch(gone);
    bull.remove(places.job(id)).catch(gone);
  }

  async function handle({ job: id, worker, event }: Report): Promise<void> {
    const job = sent.get(id);
    switch (event.type) {
      case "begun": {
        line.remove(id);
        if (!clerk.begin(id)) {
          forget(id);
          recall(id);
        } else {
          sent.set(id, { drawn: true, worker });
          wishPreviews(id);
        }
        clerk.moved();
        return feed();
      }
      case "ended": {
        const { outcome } = event;
        // One that was taken to be gone may still have finished; how else it ended there is no matter any more.
        if (outcome.type !== "done" && job?.worker !== undefined && job.worker !== worker) return;
        if (outcome.type === "done" && !clerk.isWhole(id)) {
          // Redis has lost a picture on its way, and the job with its end: it goes back into the line.
          clerk.end(id, { type: "stopped" });
          return lookAgain();
        }
        clerk.end(id, outcome);
        if (outcome.type !== "stopped") {
          if (job?.previews) client.del(places.wish(id)).catch((error: unknown) => complain(error, id));
          forget(id);
        } else if (job) sent.set(id, { drawn: false });
        return feed();
      }
      case "picture":
        return clerk.told(id, event);
      case "mark":
        return;
      default:
        if (job?.worker === worker) await clerk.told(id, event);
    }
  }

  function pass(text: string): void {
    const { job: id, worker, event, preview } = JSON.parse(text) as Passing;
    const job = sent.get(id);
    if (!job?.drawn || (job.worker ?? worker) !== worker) return;
    job.worker = worker;
    const told = preview === undefined ? event : { ...event, makePreview: () => preview };
    clerk.told(id, told as Parameters<Clerk["told"]>[1]).catch((error: unknown) => complain(error, id));
    wishPreviews(id);
  }

  function wishPreviews(id: string): void {
    const job = sent.get(id);
    const wanted = clerk.watched(id);
    if (!job || wanted === (job.previews ?? false)) return;
    job.previews = wanted;
    const told = wanted ? client.set(places.wish(id), "preview", "EX", WISH) : client.del(places.wish(id));
    told.catch((error: unknown) => complain(error, id));
  }

  /**
   * Looks whether BullMQ has what was sent. What it has lost goes back into the line.
   *
   * @param ids also those that a process before this one may have sent
   */
  async function look(ids: readonly string[]): Promise<void> {
    const before = new Map(sent);
    const states = await Promise.all(ids.map((id) => bull.getJobState(places.job(id))));
    // A job leaves BullMQ after its end was reported: where that has not come by then, it never will.
    await reports?.caughtUp();
    if (closing) return;
    for (const [i, id] of ids.entries()) {
      const [job, owner] = [sent.get(id), clients.get(id)];
      if (job !== before.get(id) || owner === undefined) continue;
      const state = states[i];
      const lost = state === "unknown" || state === "failed" || state === "completed";
      if (state !== "active") clerk.end(id, { type: "stopped" });
      if (lost) {
        sent.delete(id);
        line.add(owner, id);
      } else if (!job || job.drawn !== (state === "active")) {
        line.remove(id);
        sent.set(id, { drawn: state === "active" });
      }
    }
    clerk.moved();
  }
  let looking = false;
  function lookAgain(): void {
    if (looking || sent.size === 0) return;
    looking = true;
    inTurn(async () => {
      looking = false;
      await look([...sent.keys()]);
      feed();
    });
  }

  let timer: NodeJS.Timeout;
  return {
    outlives: true,
    start(books) {
      clerk = books;
      reports = readReports(redis, places.reports, handle, complain);
      const listening = redis.another();
      listening.on("message", (_: string, text: string) => {
        try {
          pass(text);
        } catch (error) {
          complain(error, places.passing);
        }
      });
      listening.subscribe(places.passing).catch((error: unknown) => complain(error, ""));
      inTurn(() => look([...clients.keys()]));
      feed();
      client.on("ready", lookAgain);
      timer = setInterval(lookAgain, 1000 * LOOK);
      timer.unref();
    },
    async add({ id, client }) {
      clients.set(id, client);
      if (!sent.has(id)) line.add(client, id);
      feed();
    },
    async cancel(id) {
      const job = sent.get(id);
      const there = clients.has(id);
      forget(id);
      recall(id);
      if (job?.drawn) clerk.end(id, { type: "cancelled" });
      feed();
      return there;
    },
    waiting: () => [...ofSent(false), ...line.order()],
    running: () => ofSent(true),
    async close() {
      closing = true;
      clearInterval(timer);
      await reports?.stop();
      redis.close();
    },
  };
}
