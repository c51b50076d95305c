import { processor } from "./prepared-key.ts";

/**
 * Whether products of unsigned with signed bytes are added up without overflow: on Arm, and on x86 with VNNI, as far as the
 * system tells. Elsewhere ONNX Runtime's kernels lose what goes beyond 16 bits.
 */
export function addsSignedBytes(): boolean {
  return process.arch === "arm64" || /\bavx(512)?_vnni\b/.test(processor());
}
