"""transformers' GPT-2 as the peer of bench/write.mjs: reads one request a line, writes one answer a line, both JSON.

usage: python write_peer.py CHECKPOINT THREADS

Request:  {"ids": [[...], ...], "length": 17, "sample": true, "seed": 0}
Answer:   {"ids": [[...], ...]}
Settings are those that make it fastest without changing what it computes: float32, eager with
scaled_dot_product_attention, key/value cache, inference mode; end of text is not looked for, so that every text
has its full length.
"""
import json
import os
import sys

folder, threads = sys.argv[1], int(sys.argv[2])
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import GPT2LMHeadModel  # noqa: E402

torch.set_num_threads(threads)
torch.set_grad_enabled(False)
model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()
model.generation_config.eos_token_id = None
model.generation_config.pad_token_id = None


def answer(**fields):
    print(json.dumps(fields), flush=True)


answer(ready=f"transformers {transformers.__version__}, torch {torch.__version__}")
for line in sys.stdin:
    request = json.loads(line)
    ids = torch.tensor(request["ids"])
    choice = dict(do_sample=True, temperature=1.0, top_k=0, top_p=1.0) if request["sample"] else dict(do_sample=False)
    torch.manual_seed(request["seed"])
    with torch.inference_mode():
        written = model.generate(ids, attention_mask=torch.ones_like(ids), max_length=request["length"], use_cache=True,
                                 **choice)
    answer(ids=written.tolist())
