import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import sharp from "sharp";

/**
 * Lines over numbers, drawn into a PNG.
 *
 * @param points `{ x, y, line }`, a line for each `line`
 * @param marks `{ y, line }`: a dash at the right, to compare a line with
 * @param domain of y. Default: percents
 * @param dots whether each point has one. Default: yes
 * @param under a line that others may lie on: it is drawn broad and pale. Default: none
 */
export async function writeLinePlot(path, { points, marks = [], x, y, domain = [0, 100], dots = true, under }) {
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
    y: { label: y, domain, grid: true },
    color: { scheme: "Observable10" },
    marks: [
      Plot.line(
        points.filter(({ line }) => line === under),
        {
          ...{ x: "x", y: "y", stroke: "line", strokeWidth: 9, strokeOpacity: 0.35 },
        },
      ),
      Plot.line(
        points.filter(({ line }) => line !== under),
        { x: "x", y: "y", stroke: "line", strokeWidth: 2 },
      ),
      ...(dots ? [Plot.dot(points, { x: "x", y: "y", fill: "line", r: 3 })] : []),
      Plot.line(dash, { x: "x", y: "y", stroke: "line", strokeWidth: 4 }),
      Plot.text(dodged(last, 0.05 * domain[1]), {
        x: 1.1 * right,
        y: "y",
        text: "line",
        fill: "line",
        textAnchor: "start",
        dx: 12,
      }),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  await sharp(Buffer.from(svg.outerHTML), { density: 144 }).flatten({ background: "white" }).png().toFile(path);
}

/** Labels at the ends of their lines, so far apart that they can be read. */
function dodged(points, apart) {
  const placed = points.toSorted((a, b) => b.y - a.y).map((point) => ({ ...point }));
  for (let i = 1; i < placed.length; i++) placed[i].y = Math.min(placed[i].y, placed[i - 1].y - apart);
  return placed;
}
