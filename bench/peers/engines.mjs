/**
 * The engines that pictures are timed with. Each is a command whose last line of output is JSON, in seconds:
 * {"encode_s": [...], "warm_s"?, "step_s": [...], "decode_s": [...], "versions"?}, or is turned into that by `parse`.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const HOME = process.env.PEERS_HOME ?? join(homedir(), ".cache/inkling-peers");
export const PYTHON = join(HOME, "venv/bin/python");
export const SD_CLI = join(HOME, "sd-build/bin/sd-cli");
/** The single file that stable-diffusion.cpp reads, beside the folders of Stable Diffusion 2.1. */
export const SINGLE_FILE = "sd21-ldm.safetensors";

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const root = fileURLToPath(new URL("../../", import.meta.url));
const networks = ["unet", "vae", "text_encoder"];

/** A script of ours in Python, told the work as JSON. */
const python = (script, form, packages, folders) => ({
  command: (work) => [PYTHON, here(script), JSON.stringify({ ...work, form })],
  needs: ({ folder, size }) => [
    PYTHON,
    ...packages.map((name) => join(sitePackages(), name)),
    ...folders(size).map((name) => join(folder, name)),
  ],
  files: ({ folder, size }) => folders(size).map((name) => join(folder, name)),
});

const stableDiffusionCpp = (...flags) => ({
  command: ({ folder, size, measure, cfg, threads, scratch }) => [
    SD_CLI,
    ...["-m", join(folder, SINGLE_FILE), "-p", "a photograph of an astronaut riding a horse on the beach, golden hour"],
    ...["-W", size, "-H", size, "--steps", measure, "--cfg-scale", cfg, "--sampling-method", "dpm++2m"],
    ...["--prediction", "eps", "--rng", "cpu", "--seed", 0, "-t", threads, "-o", join(scratch, "picture.png"), "-v"],
    ...flags,
  ],
  needs: ({ folder }) => [SD_CLI, join(folder, SINGLE_FILE)],
  files: ({ folder }) => [join(folder, SINGLE_FILE)],
  parse: parseSdCli,
});

export const peers = {
  diffusers: python("diffusers_peer.py", "eager", ["diffusers", "torch"], () => networks),
  "diffusers-nhwc": python("diffusers_peer.py", "nhwc", ["diffusers", "torch"], () => networks),
  "diffusers-compile": python("diffusers_peer.py", "compile", ["diffusers", "torch"], () => networks),
  openvino: python("openvino_peer.py", "", ["openvino"], () => ["openvino"]),
  onnxruntime: python("onnxruntime_peer.py", "", ["onnxruntime"], (size) => [`onnx/${size}`]),
  "onnxruntime-node": {
    command: (work) => [
      process.execPath,
      here("onnxruntime-node.mjs"),
      JSON.stringify({ ...work, modules: join(HOME, "node/node_modules") }),
    ],
    needs: ({ folder, size }) => [join(HOME, "node/node_modules/onnxruntime-node"), join(folder, `onnx/${size}`)],
    files: ({ folder, size }) => [join(folder, `onnx/${size}`)],
  },
  sdcpp: stableDiffusionCpp(),
  "sdcpp-f32": stableDiffusionCpp("--type", "f32"),
};

/** Ours as a user would call it, with further `flags`. */
export const inkling = (flags = []) => ({
  command: ({ folder, size, steps, measure, cfg, threads }) => [
    process.execPath,
    join(root, "dist/cli/index.js"),
    "bench",
    ...(folder ? ["--model", folder] : []),
    ...["--size", size, "--steps", steps, "--measure", measure, "--cfg", cfg, "--threads", threads],
    ...flags,
  ],
  needs: ({ folder }) => [join(root, "dist/cli/index.js"), ...(folder ? [folder] : [])],
  files: ({ folder }) => (folder ? networks.map((name) => join(folder, name)) : []),
  versions: () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const ort = JSON.parse(readFileSync(join(root, "node_modules/onnxruntime-node/package.json"), "utf8"));
    return `${version}${commit()}, onnxruntime-node ${ort.version}`;
  },
});

function commit() {
  try {
    const said = execFileSync("git", ["describe", "--always", "--dirty"], { cwd: root, stdio: "pipe" });
    return ` (${said.toString().trim()})`;
  } catch {
    return "";
  }
}

/** What sd-cli says on its way. Its progress line tells a running mean, so all steps are told as long as their mean. */
export function parseSdCli(output, { measure }) {
  const took = (what) => {
    const [, seconds] = new RegExp(`${what} completed, taking ([\\d.]+)s`).exec(output) ?? [];
    if (!seconds) throw new Error(`sd-cli did not say how long "${what}" took.`);
    return Number(seconds);
  };
  return {
    encode_s: [took("get_learned_condition")],
    step_s: new Array(measure).fill(took("sampling") / measure),
    decode_s: [took("decode_first_stage")],
    versions: `stable-diffusion.cpp${sourceOf()}`,
  };
}

/** The source's folder says its version; the program was built without. */
function sourceOf() {
  const sources = existsSync(join(HOME, "src")) ? readdirSync(join(HOME, "src")) : [];
  const source = sources.find((name) => /^stable_diffusion_cpp_python-[\d.]+$/.test(name));
  return source ? ` of ${source.replaceAll("_", "-")}` : "";
}

function sitePackages() {
  const lib = join(HOME, "venv/lib");
  const [version = "python3"] = existsSync(lib) ? readdirSync(lib) : [];
  return join(lib, version, "site-packages");
}
