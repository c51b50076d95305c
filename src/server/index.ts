export { createApp } from "./app.ts";
export { type Opened, openServices, type ServiceOptions } from "./open-services.ts";
export * from "./schema/index.ts";
export { type RunningServer, type ServeOptions, startServer } from "./serve.ts";
export type { App, Route, Services } from "./services.ts";
export { type RunningWorker, startWorker, type WorkOptions } from "./work.ts";
