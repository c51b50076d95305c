"""ONNX Runtime from Python, float32, with the graphs that export.py wrote."""
from picture import given, measure

import onnxruntime
import torch

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = given.threads


def load(name):
    path = given.folder / "onnx" / str(given.size) / f"{name}.onnx"
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [port.name for port in session.get_inputs()]
    return lambda *inputs: torch.from_numpy(session.run(None, dict(zip(names, (x.numpy() for x in inputs))))[0])


unet, vae, text = load("unet"), load("vae"), load("text")
measure(encode=text, unet=unet, decode=vae, packages=["onnxruntime"])
