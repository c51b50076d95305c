import type { Component } from "svelte";
import type { MessageKey } from "../i18n/i18n.ts";
import type { IconName } from "../ui/icons.ts";

/** What a panel's component is given. */
export interface PanelProps {
  /** What stands in the address behind the panel's own name: "/explain/guidance" gives "guidance" to the panel "explain". */
  readonly rest: string;
  readonly query: URLSearchParams;
}

/** A view with an address of its own: "/" and its name. */
export interface Panel {
  readonly id: string;
  readonly title: MessageKey;
  /** Its place in the navigation; none where it is reached from elsewhere. */
  readonly icon?: IconName;
  /** The key that leads there. */
  readonly key?: string;
  load(): Promise<{ readonly default: Component<PanelProps> }>;
}

/** One folder a panel, one line here. The first is where the page begins. */
export const PANELS: readonly Panel[] = [
  { id: "draw", title: "draw.title", icon: "brush", key: "d", load: () => import("./draw/Draw.svelte") },
  { id: "grid", title: "grid.title", icon: "grid", key: "x", load: () => import("./grid/Grid.svelte") },
  { id: "gallery", title: "gallery.title", icon: "pictures", key: "g", load: () => import("./gallery/Gallery.svelte") },
  { id: "compare", title: "compare.title", icon: "compare", key: "c", load: () => import("./compare/Compare.svelte") },
  { id: "explain", title: "explain.title", icon: "lamp", key: "e", load: () => import("./explain/Explain.svelte") },
];

/** The panel that an address belongs to, the one with the longest name; and what the address says beyond it. */
export function panelAt(path: string): { readonly panel: Panel; readonly rest: string } | undefined {
  if (path === "/") return { panel: PANELS[0]!, rest: "" };
  const name = path.slice(1);
  const panel = PANELS.filter(({ id }) => name === id || name.startsWith(`${id}/`)).sort(
    (a, b) => b.id.length - a.id.length,
  )[0];
  return panel && { panel, rest: name.slice(panel.id.length + 1) };
}
