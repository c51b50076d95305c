/** What ONNX Runtime, V8, the C++ library and the system say where memory ends; the system ends the process by SIGKILL. */
const SAID =
  /bad_?alloc|allocate memory|out of memory|\bOOM\b|not enough memory|SIGKILL|Failed to allocate|allocation failed/i;

/** Whether a message says that memory did not suffice. */
export const isOutOfMemory = (message: string): boolean => SAID.test(message);
