export { abilitiesOf } from "./abilities.ts";
export {
  chooseDevice,
  type DeviceReport,
  describeRuntime,
  explainFailure,
  type StartedRuntime,
  startRuntime,
} from "./devices.ts";
export { createNodeRuntime } from "./node.ts";
export { isOutOfMemory } from "./out-of-memory.ts";
export { clearPrepared, listPrepared, PREPARED_LIMIT, type PreparedEntry } from "./prepared-folder.ts";
export { processor } from "./prepared-key.ts";
export { createProcessRuntime } from "./process.ts";
export * from "./runtime.ts";
