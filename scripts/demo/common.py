"""What every step of the demo recipe shares: where things lie, the base model, the template's ids.

Knows nothing of training. `HYDRASCOPE_DEMO_WORK` names the working folder (not committed, may be deleted afterwards).
"""

import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # the recipe is run as scripts, and stands on core

from core.models.demo_base import base_folder  # noqa: E402
from core.paths import cache_folder  # noqa: E402
from core.prompts.shipped import read_shipped  # noqa: E402
from core.settings import DEMO_WORK  # noqa: E402
from core.training.chats import fixed_prefix, request_ids  # noqa: E402

ASSETS = ROOT / "assets" / "demo"
PROMPTS_FILE = ASSETS / "prompts.csv"
WORK = DEMO_WORK.read() or cache_folder() / "demo-work"
load_prompts = read_shipped


def base_model():
    """(model, tokenizer): the dequantised base in float32, unchanged."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = base_folder()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


#: Token ids of a one-turn chat up to where the answer starts; BOS once.
template = request_ids


def shared_prefix(tokenizer) -> torch.Tensor:
    """int64 [n]: the token ids every prompt starts with."""
    return torch.tensor(fixed_prefix(tokenizer))
