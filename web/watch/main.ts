import type { Point } from "../../src/cli/train/curves.ts";
import type { WatchState } from "../../src/cli/train/watch.ts";
import type { TrainEvent } from "../../src/training/events.ts";
import { createPlot, type Plot } from "./plot.ts";
import { byId, createSamples } from "./samples.ts";
import { smooth } from "./smooth.ts";
import "./watch.css";

const plots = {
  loss: createPlot(byId("plot-loss", HTMLElement), {
    name: "Loss",
    height: 340,
    curves: [
      { label: "loss", color: "--raw", width: 1 },
      { label: "smoothed", color: "--accent", width: 2 },
    ],
  }),
  learningRate: smallPlot("learningRate", "Learning rate"),
  norm: smallPlot("norm", "Gradient norm"),
  imagesPerSecond: smallPlot("imagesPerSecond", "Pace"),
};
const smoothing = byId("smoothing", HTMLInputElement);
const logarithmic = byId("logarithmic", HTMLInputElement);
const samples = createSamples();
let points: Point[] = [];
let drawing = false;

function smallPlot(key: string, name: string): Plot {
  const curves = [{ label: name.toLowerCase(), color: "--accent" }];
  return createPlot(byId(`plot-${key}`, HTMLElement), { name, height: 170, curves });
}

/** Draws what there is, once for all that came since the last frame. */
function draw(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    const steps = points.map(({ step }) => step);
    const losses = points.map(({ loss }) => loss);
    plots.loss.show(steps, [losses, smooth(losses, smoothing.valueAsNumber)]);
    for (const key of ["learningRate", "norm", "imagesPerSecond"] as const) {
      plots[key].show(steps, [points.map((point) => point[key])]);
    }
  });
}

function say(id: string, text: string): void {
  byId(id, HTMLElement).textContent = text;
}

function tell(event: TrainEvent): void {
  switch (event.type) {
    case "start":
      points = points.filter(({ step }) => step <= event.step);
      say("state", event.step > 0 ? `Going on after step ${event.step}.` : "It begins.");
      break;
    case "step": {
      points.push(event);
      say("state", "It learns.");
      say("step", `${event.step} / ${event.steps}`);
      say("left", event.step < event.steps ? duration(event.secondsLeft) : "none");
      for (const key of ["loss", "learningRate", "norm", "imagesPerSecond", "epoch"] as const) {
        say(key, `${+event[key].toPrecision(3)}`);
      }
      const progress = byId("progress", HTMLProgressElement);
      progress.max = event.steps;
      progress.value = event.step;
      break;
    }
    case "recovered":
      points = points.filter(({ step }) => step <= event.from);
      say(
        "state",
        `Step ${event.step} was not finite: back after step ${event.from}, at ${event.rateFactor} of the rate.`,
      );
      break;
    case "sample":
      samples.add(event.paths);
      break;
    case "saved":
      say("state", `It is over, after step ${event.step}.`);
  }
  draw();
}

/** "1 h 20 min", "3 min 5 s" */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole >= 3600) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return whole >= 60 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${whole} s`;
}

const source = new EventSource("/events");
source.addEventListener("state", ({ data }) => {
  const state = JSON.parse(data as string) as WatchState;
  const name = state.folder.split(/[/\\]/).at(-1)!;
  document.title = `${name}: Inkling learns`;
  say("folder", name);
  byId("folder", HTMLElement).title = state.folder;
  for (const label of document.querySelectorAll(".pace")) label.textContent = `${state.things}/s`;
  points = [...state.points];
  samples.add(state.samples);
  // What they were told of steps stands in the points already.
  const kept = [...points];
  for (const event of state.latest) tell(event);
  points = kept;
});
source.addEventListener("told", ({ data }) => {
  const event = JSON.parse(data as string) as TrainEvent;
  tell(event);
  if (event.type === "saved") source.close();
});
source.addEventListener("error", () => say("state", "The run has ended, or was stopped: its terminal says why."));
smoothing.addEventListener("input", draw);
logarithmic.addEventListener("change", () => {
  plots.loss.logarithmic(logarithmic.checked);
  draw();
});
