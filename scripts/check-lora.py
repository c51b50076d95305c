"""Draws with diffusers and peft what `inkling trace --lora` drew, and compares every number on the way.

    python check-lora.py CHECKPOINT LORA TRACE [PLAIN]

TRACE is what `inkling trace "…" --model CHECKPOINT --lora LORA:SCALE --sampler DDIM --output TRACE` wrote; PLAIN the same without
the LoRA, by which it is seen that the LoRA changes something. Wants torch, diffusers, transformers and peft.
"""
import json
import sys

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors import safe_open

# Those of the reference (checkpoints in test/fixtures/README.md): in deviations, of pixels absolute.
TOLERANCE = {"embeddings": 1e-5, "prediction": 5e-5, "latents": 1e-4, "image": 2e-4}


def read(path):
    with safe_open(path, "np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["settings"])


checkpoint, lora, trace, *plain = sys.argv[1:]
ours, settings = read(trace)
pipe = StableDiffusionPipeline.from_pretrained(checkpoint, safety_checker=None, torch_dtype=torch.float32)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
pipe.set_progress_bar_config(disable=True)
pipe.load_lora_weights(lora)
scale = settings["adapters"][0]["scale"]
parts = [name for name in ("unet", "text_encoder") if getattr(pipe, name).peft_config]
pipe.set_adapters(pipe.get_active_adapters(), [scale])

theirs = {}
predictions = []
pipe.unet.register_forward_hook(lambda _, __, out: predictions.append((out[0] if isinstance(out, tuple) else out.sample).detach()))


def keep(_, step, __, values):
    theirs[f"latents.{step}"] = values["latents"].numpy().copy()
    return {}


with torch.no_grad():
    theirs["embeddings.cond"], theirs["embeddings.uncond"] = (
        e.numpy() for e in pipe.encode_prompt(settings["prompt"], "cpu", 1, True, negative_prompt=settings["negativePrompt"])
    )
    image = pipe(
        settings["prompt"],
        negative_prompt=settings["negativePrompt"],
        num_inference_steps=settings["steps"],
        guidance_scale=settings["guidance"],
        width=settings["width"],
        height=settings["height"],
        latents=torch.from_numpy(ours["noise"].copy()),
        callback_on_step_end=keep,
        output_type="np",
    ).images
for step, both in enumerate(predictions):
    uncond, cond = both.chunk(2)
    theirs[f"prediction.{step}"] = (uncond + settings["guidance"] * (cond - uncond)).numpy()
theirs["image"] = image.transpose(0, 3, 1, 2)

wrong = 0
for name, want in theirs.items():
    got = ours[name]
    if name == "image" and got.min() < 0:
        got = (got + 1) / 2
    far = np.abs(got - want).max() / (1 if name == "image" else want.std())
    moved = np.abs(read(plain[0])[0][name] - ours[name]).max() if plain else np.nan
    bad = not far <= TOLERANCE[name.split(".")[0]]
    wrong += bad
    print(f"{name:18} {far:.1e}{' WRONG' if bad else ''}   moved by the LoRA {moved:.1e}")
print(f"{'WRONG' if wrong else 'the same'}: {lora} in {', '.join(parts)} at {scale}")
sys.exit(wrong > 0)
