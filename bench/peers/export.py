"""Converts a checkpoint folder for the peers that read graphs: FOLDER/onnx/SIZE/ and FOLDER/openvino/.

usage: python export.py FOLDER SIZE onnx|openvino
"""
import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

folder, size, kind = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
torch.set_grad_enabled(False)
side = size // 8


class First(torch.nn.Module):
    """What a call of the module, or of one of its methods, gives first; positional arguments alone."""

    def __init__(self, inner, call):
        super().__init__()
        self.inner, self.call = inner.eval(), call

    def forward(self, *inputs):
        return self.call(self.inner, inputs)[0]


def load(model, part, call=lambda inner, inputs: inner(*inputs, return_dict=False)):
    return First(model.from_pretrained(folder / part, torch_dtype=torch.float32), call)


def networks():
    """Name, module, example inputs and their names, one network after another: only one is in memory at a time."""
    width = json.loads((folder / "unet/config.json").read_text())["cross_attention_dim"]
    yield ("unet", load(UNet2DConditionModel, "unet"),
           (torch.randn(2, 4, side, side), torch.tensor(500.0), torch.randn(2, 77, width)),
           ["sample", "timestep", "encoder_hidden_states"])
    yield ("vae", load(AutoencoderKL, "vae", lambda vae, inputs: vae.decode(*inputs, return_dict=False)),
           (torch.randn(1, 4, side, side),), ["latents"])
    yield "text", load(CLIPTextModel, "text_encoder"), (torch.zeros(2, 77, dtype=torch.int64),), ["input_ids"]


def to_onnx(path, module, example, names):
    large = sum(p.numel() for p in module.parameters()) > 2**28
    torch.onnx.export(module, example, str(path.with_suffix(".onnx")), input_names=names, output_names=["out"],
                      external_data=large, verbose=False)


def to_openvino(path, module, example, names):
    import openvino

    model = openvino.convert_model(module, example_input=example if len(example) > 1 else example[0])
    for port, name in zip(model.inputs, names):
        port.get_tensor().set_names({name})
    openvino.save_model(model, path.with_suffix(".xml"), compress_to_fp16=True)


out, export = {"onnx": (folder / "onnx" / str(size), to_onnx), "openvino": (folder / "openvino", to_openvino)}[kind]
# Under another name until all is there: a folder of that name is complete.
part = out.with_name(out.name + ".part")
part.mkdir(parents=True, exist_ok=True)
for name, module, example, names in networks():
    export(part / name, module, example, names)
    print(f"{out / name}", flush=True)
    del module
part.rename(out)
