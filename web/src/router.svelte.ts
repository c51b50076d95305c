/** Where the page is, and the way elsewhere: every view has an address that leads to it again. */
export class Router {
  /** Begins with a slash, without one at its end. */
  path = $state("/");
  query = $state.raw(new URLSearchParams());
  readonly #window: Window;

  constructor(window: Window) {
    this.#window = window;
    this.#read();
  }

  /** Follows links of this page and the browser's own buttons; gives what ends that. */
  listen(): () => void {
    const { document } = this.#window;
    const back = (): void => this.#show(() => this.#read());
    const click = (event: MouseEvent): void => this.#follow(event);
    this.#window.addEventListener("popstate", back);
    document.addEventListener("click", click);
    return () => {
      this.#window.removeEventListener("popstate", back);
      document.removeEventListener("click", click);
    };
  }

  /** Another view, as a step that the browser's button takes back. */
  go(address: string): void {
    const { history, location } = this.#window;
    const url = new URL(address, location.href);
    if (url.href === location.href) return;
    this.#show(() => {
      history.pushState(null, "", url);
      this.#read();
      this.#window.scrollTo(0, 0);
    });
  }

  /** The same view with another query: what stands in it is what the address says, and going back skips it. */
  replace(query: URLSearchParams): void {
    const text = query.toString();
    if (text === this.query.toString()) return;
    this.#window.history.replaceState(null, "", text ? `?${text}` : this.path);
    this.query = query;
  }

  #read(): void {
    const { pathname, search } = this.#window.location;
    this.path = pathname.replace(/\/+$/, "") || "/";
    this.query = new URLSearchParams(search);
  }

  #follow(event: MouseEvent): void {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    if (!(link instanceof HTMLAnchorElement) || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute("download") || link.origin !== this.#window.location.origin) return;
    // The server's own addresses (/api, /v1, /openapi.json) are no views.
    if (link.rel === "external" || link.getAttribute("href")!.startsWith("#")) return;
    event.preventDefault();
    this.go(link.href);
  }

  #show(change: () => void): void {
    const { document } = this.#window;
    if (document.startViewTransition && document.visibilityState === "visible") document.startViewTransition(change);
    else change();
  }
}
