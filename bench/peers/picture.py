"""What every peer written in Python does with its engine: one picture's parts, each timed.

The only argument is JSON: {"folder", "form", "size", "steps", "measure", "cfg", "threads"}; the last line of output is
JSON as well, in seconds: {"encode_s": [...], "warm_s", "step_s": [...], "decode_s": [...], "finite", "versions"}.
DPM++ 2M, one evaluation of the U-Net a step for both halves of the guidance as one batch. Text encoder and decoder run
twice and the U-Net once beforehand ("warm_s"), since the first time compiles and packs.
"""
import importlib.metadata
import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

given = SimpleNamespace(**json.loads(sys.argv[1]))
given.folder = Path(given.folder)

PROMPT = "a photograph of an astronaut riding a horse on the beach, golden hour"


def setting(part, key, default=None):
    return json.loads((given.folder / part / "config.json").read_text()).get(key, default)


def timed(work):
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def measure(encode, unet, decode, packages):
    """encode(ids), unet(latents, timestep, words) and decode(latents) take and give torch tensors."""
    import torch
    from diffusers import DPMSolverMultistepScheduler
    from transformers import CLIPTokenizer

    torch.set_num_threads(given.threads)
    torch.set_grad_enabled(False)
    tokenizer = CLIPTokenizer.from_pretrained(given.folder / "tokenizer")
    ids = tokenizer(["", PROMPT], padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    scheduler = DPMSolverMultistepScheduler.from_config(
        json.loads((given.folder / "scheduler/scheduler_config.json").read_text()))
    scheduler.set_timesteps(given.steps)
    torch.manual_seed(0)
    side = given.size // 8
    latents = torch.randn(1, 4, side, side) * scheduler.init_noise_sigma

    texts = [timed(lambda: encode(ids)) for _ in range(2)]
    words = texts[0][0]

    def predict(t):
        both = scheduler.scale_model_input(torch.cat([latents] * 2), t)
        without, with_words = unet(both, t.float(), words).chunk(2)
        return without + given.cfg * (with_words - without)

    _, warm = timed(lambda: predict(scheduler.timesteps[0]))
    steps = []
    for t in scheduler.timesteps[:given.measure]:
        latents, seconds = timed(lambda: scheduler.step(predict(t), t, latents).prev_sample)
        steps.append(seconds)
    factor = setting("vae", "scaling_factor", 0.18215)
    pictures = [timed(lambda: decode(latents / factor)) for _ in range(2)]
    print(json.dumps(dict(
        encode_s=[seconds for _, seconds in texts], warm_s=warm, step_s=steps,
        decode_s=[seconds for _, seconds in pictures], finite=bool(torch.isfinite(pictures[0][0]).all()),
        versions=", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages))))
