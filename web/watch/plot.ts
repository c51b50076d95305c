import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Curve {
  readonly label: string;
  /** A custom property of the page's style. */
  readonly color: string;
  readonly width?: number;
}

export interface PlotOptions {
  readonly name: string;
  /** Pixels, without the line below that tells the values at the cursor. */
  readonly height: number;
  readonly curves: readonly Curve[];
}

export interface Plot {
  /** Steps, and a list as long for each curve. */
  show(steps: readonly number[], curves: readonly (readonly number[])[]): void;
  logarithmic(on: boolean): void;
}

/**
 * Curves over steps in an element, as wide as it is, in the page's colours. The arrow keys move along them, Escape shows all of
 * them again.
 */
export function createPlot(element: HTMLElement, { name, height, curves }: PlotOptions): Plot {
  let plot: uPlot | undefined;
  let data: uPlot.AlignedData = [[], ...curves.map(() => [])];
  let isLogarithmic = false;
  /** The step that keys have gone to. */
  let readOff: number | undefined;

  const build = (): void => {
    plot?.destroy();
    const style = getComputedStyle(element);
    const color = (property: string): string => probe(element, `var(${property})`);
    const axis: uPlot.Axis = {
      stroke: color("--muted"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line"), width: 1 },
      font: `12px ${style.fontFamily}`,
    };
    const options: uPlot.Options = {
      width: element.clientWidth,
      height,
      scales: { x: { time: false }, y: { distr: isLogarithmic ? 3 : 1 } },
      series: [
        { label: "step" },
        ...curves.map(({ label, color: property, width = 1.5 }) => ({
          label,
          stroke: color(property),
          width,
          points: { show: false },
          value: (_: uPlot, value: number | null) => (value === null ? "–" : short(value)),
        })),
      ],
      axes: [
        { ...axis, size: 32 },
        { ...axis, size: 68, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) },
      ],
    };
    plot = new uPlot(options, data, element);
    const canvas = element.querySelector("canvas")!;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${name} over steps`);
  };

  element.tabIndex = 0;
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", `${name}: arrow keys read off single steps`);
  element.addEventListener("keydown", (event) => {
    if (!plot) return;
    const [steps] = data;
    const at = plot.cursor.idx ?? steps.length - 1;
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: steps.length - 1 }[event.key];
    if (to !== undefined) {
      readOff = steps[Math.max(0, Math.min(steps.length - 1, to))];
      point();
    } else if (event.key === "Escape") plot.setData(data);
    else return;
    event.preventDefault();
  });
  const point = (): void => {
    if (plot && readOff !== undefined) plot.setCursor({ left: plot.valToPos(readOff, "x"), top: height / 2 });
  };
  element.addEventListener("mousemove", () => {
    readOff = undefined;
  });
  new ResizeObserver(() => {
    plot?.setSize({ width: element.clientWidth, height });
  }).observe(element);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", build);
  build();

  return {
    show(steps, values) {
      data = [[...steps], ...values.map((curve) => [...curve])];
      // Who looks closer at a part goes on looking at it.
      const { min, max } = plot!.scales["x"]!;
      const [before] = plot!.data;
      const isPart = min! > before[0]! || max! < before.at(-1)!;
      plot!.setData(data, !isPart);
      if (isPart) plot!.redraw();
      point();
    },
    logarithmic(on) {
      isLogarithmic = on;
      build();
    },
  };
}

const short = (value: number): string =>
  value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
    ? value.toExponential(1)
    : `${+value.toPrecision(4)}`;

/** A colour as a canvas takes it. */
function probe(element: HTMLElement, value: string): string {
  const before = element.style.color;
  element.style.color = value;
  const { color } = getComputedStyle(element);
  element.style.color = before;
  return color;
}
