"""
What transformers says of eight pictures with the embedded captioner: the reference for ClipCap.

    python captions.py         # transformers 5.23.0, torch 2.12.1, safetensors 0.8

Writes captions.safetensors and captions.json beside this script from captions/1.png … 8.png: pictures that the embedded
model drew (the prompt of picture i stands in captions.json, its seed is i, other settings are the defaults), halved to
128x128, so that CLIP's own resizing has nothing to do. The published weights are int8 times one scale for each output; here
they are multiplied out (float32 = int8 * scale), so that both programs compute with the same numbers. What the 8 bits
themselves cost is another question: bench/captions.mjs answers it.

  embeddings     [8, 256] CLIP's image embeddings, each divided by its length
  prefix         [3, 8, 256] fc2(tanh(fc1(16 * embedding))) of the first three pictures
  logits.first   [3, 8192] what follows the prefix and <|endoftext|>
  logits.sixth   [3, 8192] what follows five tokens of the greedy caption more, through the cache
  captions.json  prompt, greedy ids (without the end) and text of all eight

Tolerances: prefix and logits 2e-5 * std, as for GPT-2 itself; embeddings 1e-4; ids and texts exact.
"""
import json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Beside this script lies another one called diffusers.py.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

MODEL = os.path.join(HERE, "..", "..", "models", "inkdrop-256")
PROMPTS = [
    "a lady with blue eyes",
    "pixel art portrait of a man with green eyes and a red hat",
    "ink drawing of a woman with a brown hair bun and round glasses",
    "cartoon face of a bearded man with black hair",
    "a purple house",
    "3d icon of a rooster on a blue background",
    "three tulips",
    "a green triangle next to a red circle",
]
STORED = 3
LONGEST = 60


def multiplied_out(*path):
    stored = load_file(os.path.join(MODEL, *path))
    out = {}
    for name, tensor in stored.items():
        if name.endswith(".scale") and name[: -len(".scale")] in stored:
            continue
        scale = stored.get(name + ".scale")
        out[name] = tensor.float() if scale is None else tensor.float() * scale.float()
    return out


def load(model, *path):
    missing, unexpected = model.load_state_dict(multiplied_out(*path), strict=False)
    assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
    model.tie_weights()
    return model.eval()


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    clip = load(CLIPModel(CLIPConfig.from_pretrained(os.path.join(MODEL, "clip"))), "clip", "model.safetensors")
    gpt2 = load(GPT2LMHeadModel(GPT2Config.from_pretrained(os.path.join(MODEL, "captioner"))), "captioner", "model.safetensors")
    mlp = multiplied_out("captioner", "prefix.safetensors")
    tokenizer = GPT2Tokenizer.from_pretrained(os.path.join(MODEL, "gpt2"))
    processor = CLIPImageProcessor.from_pretrained(os.path.join(MODEL, "clip"))
    said = json.load(open(os.path.join(MODEL, "captioner", "config.json")))["inkling_prefix"]
    end = gpt2.config.eos_token_id

    pictures = [Image.open(os.path.join(HERE, "captions", f"{i + 1}.png")).convert("RGB") for i in range(len(PROMPTS))]
    pixels = processor(pictures, return_tensors="pt")["pixel_values"]
    embeddings = clip.visual_projection(clip.vision_model(pixels).pooler_output)
    embeddings = embeddings / embeddings.norm(dim=-1, keepdim=True)
    hidden = torch.tanh(torch.nn.functional.linear(said["embedding_scale"] * embeddings, mlp["fc1.weight"], mlp["fc1.bias"]))
    prefix = torch.nn.functional.linear(hidden, mlp["fc2.weight"], mlp["fc2.bias"])
    prefix = prefix.view(len(PROMPTS), said["tokens"], gpt2.config.n_embd)

    seen = torch.cat([prefix, gpt2.transformer.wte(torch.full((len(PROMPTS), 1), end))], dim=1)
    past, steps = None, []
    for _ in range(LONGEST):
        out = gpt2(inputs_embeds=seen, past_key_values=past, use_cache=True)
        past = out.past_key_values
        steps.append(out.logits[:, -1])
        seen = gpt2.transformer.wte(steps[-1].argmax(-1, keepdim=True))
    chosen = torch.stack(steps, dim=1).argmax(-1).tolist()
    captions = []
    for prompt, ids in zip(PROMPTS, chosen):
        ids = ids[: ids.index(end)]
        captions.append({"prompt": prompt, "ids": ids, "text": tokenizer.decode(ids)})

    tensors = {"embeddings": embeddings, "prefix": prefix[:STORED], "logits.first": steps[0][:STORED], "logits.sixth": steps[5][:STORED]}
    assert all(len(c["ids"]) >= 6 for c in captions[:STORED])
    save_file({name: x.contiguous() for name, x in tensors.items()}, os.path.join(HERE, "captions.safetensors"))
    with open(os.path.join(HERE, "captions.json"), "w") as f:
        json.dump(captions, f, indent=1)
        f.write("\n")
    for caption in captions:
        print(caption["prompt"], "->", caption["text"])


main()
