"""
What transformers makes of pictures and texts with the embedded CLIP: the reference for its embeddings.

    python embedded_clip.py     # transformers 5.23.0, torch 2.12.1, safetensors 0.8, Pillow 13

Writes embedded_clip.json beside this script. The published weights are int8 times one scale for each output; here they are
multiplied out (float32 = int8 * scale), so that both programs compute with the same numbers.

  texts, pictures        what was embedded; the pictures lie in this folder or in ../fixtures/vision/pictures
  text_embeds, image_embeds   of unit length

Tolerance as for the vision fixtures: 2e-5 * std.
"""
import json, os, shutil, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

MODEL = os.path.join(HERE, "..", "..", "models", "inkdrop-256", "clip")
TEXTS = ["a lady with blue eyes", "two red apples on a white background", "", "a castle on a hill, at night, " * 20]
PICTURES = ["embedded-float16.png", "../fixtures/vision/pictures/tall.png", "../fixtures/vision/pictures/alpha.png"]


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MODEL, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
        stored = load_file(os.path.join(MODEL, "model.safetensors"))
        out = {}
        for name, tensor in stored.items():
            if name.endswith(".scale") and name[:-6] in stored:
                continue
            scale = stored.get(name + ".scale")
            out[name] = tensor.float() if scale is None else tensor.float() * scale.float()
        save_file(out, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        processor = CLIPImageProcessorPil.from_pretrained(folder)
    pixels = processor([Image.open(os.path.join(HERE, p)) for p in PICTURES], return_tensors="pt").pixel_values
    words = tokenizer(TEXTS, padding=True, truncation=True, return_tensors="pt")
    found = model(input_ids=words.input_ids, attention_mask=words.attention_mask, pixel_values=pixels)
    rows = lambda t: [[round(x, 8) for x in row] for row in t.tolist()]
    data = {
        "texts": TEXTS,
        "pictures": PICTURES,
        "logit_scale": model.logit_scale.exp().item(),
        "text_embeds": rows(found.text_embeds),
        "image_embeds": rows(found.image_embeds),
    }
    with open(os.path.join(HERE, "embedded_clip.json"), "w") as file:
        json.dump(data, file, separators=(",", ":"))
        file.write("\n")


main()
