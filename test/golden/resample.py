"""
Pictures at another size as Pillow makes them, and as diffusers' VaeImageProcessor prepares them to start from.

    python resample.py         # Pillow 13.0.0, diffusers 0.42.1, numpy 2

Writes resample.json beside this script: `resized`, rows of an old size, a new one and the bytes of either kernel (base64);
`prepared`, a picture and a mask at a new size with resize_mode "crop", as 8-bit values (the picture is 0-1 in diffusers, the
mask 0 or 1). All exact: tolerance 0.
"""
import base64, json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Beside this script lies another one called diffusers.py.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import numpy as np
from PIL import Image
from diffusers.image_processor import VaeImageProcessor

random = np.random.default_rng(1)
text = lambda array: base64.b64encode(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).decode()


def row(width, height, to_width, to_height):
    array = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    resize = lambda kernel: np.array(Image.fromarray(array).resize((to_width, to_height), kernel))
    return {
        "from": [width, height], "to": [to_width, to_height], "data": text(array),
        "bicubic": text(resize(Image.BICUBIC)), "lanczos": text(resize(Image.LANCZOS)),
    }


def prepared(width, height, to_width, to_height):
    array = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    size = {"height": to_height, "width": to_width, "resize_mode": "crop"}
    plain = VaeImageProcessor(vae_scale_factor=8, do_normalize=False)
    masks = VaeImageProcessor(vae_scale_factor=8, do_normalize=False, do_binarize=True, do_convert_grayscale=True)
    image = plain.preprocess(Image.fromarray(array), **size)[0].permute(1, 2, 0).numpy()
    mask = masks.preprocess(Image.fromarray(array), **size)[0, 0].numpy()
    return {
        "from": [width, height], "to": [to_width, to_height], "data": text(array),
        "picture": text((image * 255).round()), "mask": text(mask),
    }


sizes = [(7, 5, 16, 9), (40, 30, 13, 21), (120, 9, 8, 32), (21, 30, 21, 16), (1, 1, 3, 2)]
cuts = [(37, 23, 16, 24), (23, 37, 24, 16), (16, 24, 16, 24), (9, 9, 32, 16)]
with open(os.path.join(HERE, "resample.json"), "w") as file:
    json.dump({"resized": [row(*s) for s in sizes], "prepared": [prepared(*c) for c in cuts]}, file, indent=0)
