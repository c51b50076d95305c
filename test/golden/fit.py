"""Pictures as torchvision fits them in diffusers' train_text_to_image: Resize (Lanczos), CenterCrop, flipped or not.

python test/golden/fit.py > test/golden/fit.json
"""
import hashlib
import json

import numpy as np
import PIL
import torchvision
from PIL import Image
from torchvision import transforms


def picture(width, height):
    i = np.arange(height * width * 3, dtype=np.uint64)
    return ((i * i * 31 + i * 7 + i // 97) % 251).astype(np.uint8).reshape(height, width, 3)


cases = []
for width, height, size in [(40, 30, 16), (30, 47, 16), (33, 33, 16), (20, 61, 24), (9, 14, 16), (16, 21, 16), (100, 17, 8)]:
    fit = transforms.Compose([
        transforms.Resize(size, interpolation=transforms.InterpolationMode.LANCZOS),
        transforms.CenterCrop(size),
    ])
    out = np.asarray(fit(Image.fromarray(picture(width, height))))
    cases.append({
        "width": width, "height": height, "size": size,
        "sha256": hashlib.sha256(out.tobytes()).hexdigest(),
        "mirrored": hashlib.sha256(np.ascontiguousarray(out[:, ::-1]).tobytes()).hexdigest(),
    })
print(json.dumps({"torchvision": torchvision.__version__, "pillow": PIL.__version__, "cases": cases}, indent=1))
