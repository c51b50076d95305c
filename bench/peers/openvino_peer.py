"""OpenVINO on the CPU in float32, with the graphs that export.py converted (weights stored as float16)."""
from picture import given, measure, setting

import openvino
import torch

core = openvino.Core()
core.set_property("CPU", {
    "INFERENCE_NUM_THREADS": given.threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"})
side = given.size // 8
shapes = {
    "unet": {"sample": [2, 4, side, side], "timestep": [],
             "encoder_hidden_states": [2, 77, setting("unet", "cross_attention_dim")]},
    "vae": {"latents": [1, 4, side, side]},
    "text": {"input_ids": [2, 77]},
}


def load(name):
    model = core.read_model(given.folder / "openvino" / f"{name}.xml")
    model.reshape(shapes[name])
    compiled = core.compile_model(model, "CPU")
    return lambda *inputs: torch.from_numpy(compiled([x.numpy() for x in inputs])[0].copy())


unet, vae, text = load("unet"), load("vae"), load("text")
measure(encode=text, unet=unet, decode=vae, packages=["openvino"])
