"""A noise predictor that learns on torch: diffusers' U-Net as it comes ("eager") or compiled ("compile"), float32.

The only argument is JSON: {"config", "weights", "batches", "form", "steps", "threads", "learning_rate", "prediction"}; the
last line of output is JSON as well: {"step_s": [...], "losses": [...], "versions"}. AdamW and clipping are torch's own.
"""
import importlib.metadata
import json
import sys
import time

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

given = json.loads(sys.argv[1])
torch.set_num_threads(given["threads"])
with open(given["config"]) as file:
    unet = UNet2DConditionModel.from_config(json.load(file))
unet.load_state_dict(load_file(given["weights"]))
unet.train()
predict = torch.compile(unet) if given["form"] == "compile" else unet
optimizer = torch.optim.AdamW(unet.parameters(), lr=given["learning_rate"], betas=(0.9, 0.999), weight_decay=0.01)
batches = load_file(given["batches"])


def step(batch):
    clean, noise, alpha, sigma = (batch[key] for key in ("latents", "noise", "alpha", "sigma"))
    target = {"epsilon": noise, "v_prediction": alpha * noise - sigma * clean, "sample": clean}[given["prediction"]]
    noised = alpha * clean + sigma * noise
    predicted = predict(noised, batch["timesteps"], batch["encoder_hidden_states"], return_dict=False)[0]
    loss = ((predicted - target).square().mean(dim=(1, 2, 3), keepdim=True) * batch["weight"]).mean()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


seconds, losses = [], []
for k in range(given["steps"]):
    batch = {name: values[k] for name, values in batches.items()}
    start = time.perf_counter()
    losses.append(step(batch))
    seconds.append(time.perf_counter() - start)
versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("diffusers", "torch"))
print(json.dumps({"step_s": seconds, "losses": losses, "versions": versions}))
