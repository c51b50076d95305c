import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/**
 * Lines over numbers as the text of an SVG file.
 *
 * @param points `{ x, y, line }`, a line for each `line`
 * @param marks `{ y, line }`: a dash at the right, to compare a line with
 */
export function linePlot({ points, marks = [], x, y, markLabel = "" }) {
  const { document } = parseHTML("<html><body></body></html>");
  const right = Math.max(...points.map((point) => point.x));
  const dash = marks.flatMap(({ y, line }) => [1.03, 1.08].map((at) => ({ x: at * right, y, line })));
  const last = points.filter((point) => point.x === right);
  const svg = Plot.plot({
    document,
    width: 720,
    height: 400,
    marginRight: 130,
    style: { background: "white", color: "#222", fontFamily: "sans-serif", fontSize: "13px" },
    x: { label: x, domain: [0, 1.08 * right] },
    y: { label: y, domain: [0, 100], grid: true },
    color: { scheme: "Observable10" },
    caption: markLabel && `Dash at the right: ${markLabel}.`,
    marks: [
      Plot.line(points, { x: "x", y: "y", stroke: "line", strokeWidth: 2 }),
      Plot.dot(points, { x: "x", y: "y", fill: "line", r: 3 }),
      Plot.line(dash, { x: "x", y: "y", stroke: "line", strokeWidth: 4 }),
      Plot.text(dodged(last), { x: 1.1 * right, y: "y", text: "line", fill: "line", textAnchor: "start", dx: 12 }),
    ],
  });
  const drawing = svg.tagName.toLowerCase() === "svg" ? svg : svg.querySelector("svg");
  drawing.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${drawing.outerHTML}\n`;
}

/** Labels at the ends of their lines, far enough apart to be read. */
function dodged(points) {
  const apart = 5;
  const placed = points.toSorted((a, b) => b.y - a.y).map((point) => ({ ...point }));
  for (let i = 1; i < placed.length; i++) placed[i].y = Math.min(placed[i].y, placed[i - 1].y - apart);
  return placed;
}
