"""What every step of the demo recipe shares: where things lie, the bundled prompts, the base model.

Knows nothing of training. `HYDRASCOPE_DEMO_WORK` names the working folder (not committed).
"""

import csv
import os
from pathlib import Path
from typing import NamedTuple

import torch

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets" / "demo"
PROMPTS_FILE = ASSETS / "prompts.csv"
WORK = Path(os.environ.get("HYDRASCOPE_DEMO_WORK", ROOT / "cache" / "files" / "demo-work"))


class BundledPrompt(NamedTuple):
    kind: str  # harmful | lookalike | benign
    pair: int  # harmful n and look-alike n are matched; 0 for plain benign
    split: str  # train | val | test
    category: str
    text: str


def load_prompts(path: Path) -> list[BundledPrompt]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            BundledPrompt(r["kind"], int(r["pair"]), r["split"], r["category"], r["text"]) for r in csv.DictReader(file)
        ]


def base_model():
    """(model, tokenizer): the dequantised base in float32, from the cache folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = os.environ.get("HYDRASCOPE_BASE_TMP", "/tmp/base/hf")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(folder)


def template(tokenizer, text: str) -> list[int]:
    """Token ids of a one-turn chat up to where the answer starts; BOS once."""
    return tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, return_dict=True
    )["input_ids"]
