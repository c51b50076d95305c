"""diffusers on torch, float32: as it comes ("eager"), with channels last ("nhwc"), or compiled as well ("compile")."""
from picture import given, measure

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

torch.set_num_threads(given.threads)
torch.set_grad_enabled(False)


def load(model, part):
    return model.from_pretrained(given.folder / part, torch_dtype=torch.float32).eval()


text = load(CLIPTextModel, "text_encoder")
unet = load(UNet2DConditionModel, "unet")
vae = load(AutoencoderKL, "vae")
if given.form != "eager":
    unet, vae = unet.to(memory_format=torch.channels_last), vae.to(memory_format=torch.channels_last)
if given.form == "compile":
    import torch._inductor.config as inductor
    inductor.freezing = True  # weights are packed once
    unet, vae.decode = torch.compile(unet), torch.compile(vae.decode)

measure(
    encode=lambda ids: text(ids, return_dict=False)[0],
    unet=lambda latents, t, words: unet(latents, t, words, return_dict=False)[0],
    decode=lambda latents: vae.decode(latents, return_dict=False)[0],
    packages=["diffusers", "torch"])
