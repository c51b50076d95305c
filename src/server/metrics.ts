import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { JobState } from "./schema/job.ts";

/** Figures for Prometheus. */
export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  request(method: string, route: string, status: number, seconds: number): void;
  accepted(): void;
  ended(state: JobState, seconds: number): void;
  picture(model: string, seconds: number): void;
}

/** What is asked when the figures are. */
export interface Gauges {
  readonly waiting: number;
  readonly running: number;
  readonly watchers: number;
}

const SECONDS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000];

export function createMetrics(gauges: () => Gauges): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: keyof Gauges): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(gauges()[read]);
      },
    });
  };
  gauge("inkling_jobs_waiting", "Jobs that wait for their turn", "waiting");
  gauge("inkling_jobs_running", "Jobs that are drawn", "running");
  gauge("inkling_watchers", "Open streams of events", "watchers");
  const accepted = new Counter({ name: "inkling_jobs_accepted_total", help: "Jobs that were accepted", registers });
  const ended = new Counter({
    name: "inkling_jobs_ended_total",
    help: "Jobs that have ended, by how",
    labelNames: ["state"],
    registers,
  });
  const jobSeconds = new Histogram({
    name: "inkling_job_seconds",
    help: "From the beginning of a job to its end",
    buckets: SECONDS,
    registers,
  });
  const pictureSeconds = new Histogram({
    name: "inkling_picture_seconds",
    help: "From noise to pixels, by model",
    labelNames: ["model"],
    buckets: SECONDS,
    registers,
  });
  const requestSeconds = new Histogram({
    name: "inkling_http_request_seconds",
    help: "Requests, by route and status",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    registers,
  });
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    request: (method, route, status, seconds) => requestSeconds.observe({ method, route, status }, seconds),
    accepted: () => accepted.inc(),
    ended(state, seconds) {
      ended.inc({ state });
      jobSeconds.observe(seconds);
    },
    picture: (model, seconds) => pictureSeconds.observe({ model }, seconds),
  };
}
