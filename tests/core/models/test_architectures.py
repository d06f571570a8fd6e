"""Every architecture of scripts/models/architectures.py, tiny and random: its own numbers, or refused in one sentence.

Plain transformers, and whole dictionaries by plain hooks (`tests/oracles.py`), are what the numbers are held against.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers

from core import AssetError, Edits, Feature, ModelSpec, load
from core.discovery.stage1_candidates import first_flips
from core.edits.direction import make_direction
from core.edits.feature_sets import top_per_layer
from core.models.check_added import Draft, check_draft
from core.paths import PROGRAM_FOLDER
from tests.conftest import D_SAE, make_sae, make_tokenizer
from tests.oracles import PROMPTS, fast_logits, slow, slow_answer
from tests.small_search import judge

SCRIPT = runpy.run_path(str(PROGRAM_FOLDER / "scripts" / "models" / "architectures.py"))
REFUSED = ("GPTBigCode", "Mamba", "Bloom", "Mpt", "OPT")
ALL = {one.config: one for one in SCRIPT["ARCHITECTURES"]}
TAKEN = [name for name in ALL if name not in REFUSED]
LAYERS, TOKENS = (0, 1), 6
FEATURES = [Feature(0, i) for i in range(0, D_SAE, 3)] + [Feature(1, i) for i in range(0, D_SAE, 2)]


@pytest.fixture(scope="module")
def sae_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saes")
    for layer in LAYERS:
        make_sae(folder / f"layer_{layer}", layer, subtract=layer == 1)
    return folder


def save(name: str, folder: Path) -> Path:
    torch.manual_seed(1)
    transformers.AutoModelForCausalLM.from_config(SCRIPT["config_of"](ALL[name])).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=TAKEN)
def one(request, tmp_path_factory, sae_folder):
    """An architecture: the engine, the same weights without hooks, the whole SAEs, and sets of edits."""
    from sae_lens import SAE

    folder = save(request.param, tmp_path_factory.mktemp(request.param))
    where = {n: sae_folder / f"layer_{n}" for n in LAYERS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRASCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "architectures"))
        engine = load(ModelSpec(request.param, str(folder), LAYERS, (40,), where), device="cpu", dtype="float32")
    engine.use_direction(make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 0))
    return SimpleNamespace(
        engine=engine,
        plain=transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
        saes={n: SAE.load_from_disk(str(path), device="cpu") for n, path in where.items()},
        sets=[Edits(), Edits.ablate(FEATURES), Edits.clamp(FEATURES[:4], 3.0, "instruction")],
    )


def close(found, expected):
    # float32 in another order; relative to the logits' own size, which differs a hundredfold between architectures
    scale = float(expected.std()) + 1e-6
    torch.testing.assert_close(found / scale, expected / scale, rtol=1e-4, atol=1e-3)


def test_the_list_is_wide():
    kinds = {SCRIPT["config_of"](ALL[name]).model_type for name in TAKEN}
    assert len(kinds) >= 24
    for kind in ("dense", "local attention", "experts", "hybrid"):
        assert any(ALL[name].kind.startswith(kind) for name in TAKEN)


def test_logits_edits_answers_direction_and_a_stage(one):
    """In one test, because an architecture takes longer to make than to try."""
    engine, plain = one.engine, one.plain
    together = fast_logits(engine, PROMPTS, one.sets)
    for row, text in enumerate(PROMPTS):
        prompt = engine.prompt(text)
        with torch.inference_mode():
            unedited = plain(input_ids=torch.tensor([prompt.ids]), use_cache=False).logits[0, -1]
        close(together[row, 0], unedited)
        alone = fast_logits(engine, [text], one.sets)[0]
        for column, edits in enumerate(one.sets):
            close(alone[column], slow(plain, one.saes, prompt, edits).logits[-1])
            close(together[row, column], alone[column])
    clamped = fast_logits(engine, PROMPTS[:1], [Edits.clamp(FEATURES, 0.0)])[0, 0]
    assert torch.equal(clamped, fast_logits(engine, PROMPTS[:1], [Edits.ablate(FEATURES)])[0, 0])
    assert not torch.allclose(together[0, 0], together[0, 1]), "the edits do something"

    texts = PROMPTS[:2]
    # two prompts after the prefix they share; one whose layers below the lowest edit run once for all sets
    answers = [*engine.answers(texts, one.sets[:2], TOKENS), *engine.answers(PROMPTS[2:3], one.sets, TOKENS)]
    for row, text in enumerate([*texts, PROMPTS[2]]):
        for column, edits in enumerate(one.sets[: len(answers[row])]):
            ids = slow_answer(plain, one.saes, engine.prompt(text), edits, TOKENS, engine.runtime.stop_ids)
            expected = engine.runtime.tokenizer.decode(ids, skip_special_tokens=True)
            assert "".join(engine.generate(text, edits, TOKENS)) == expected == answers[row][column]

    gone = engine.measure(list(texts), Edits.ablate_direction(engine.direction()), every_token=True)
    assert np.nanmax(abs(gone.token_cosine)) < 1e-5
    ranked = engine.alignment()
    flips = first_flips(
        texts, lambda k: top_per_layer(ranked, k), lambda t, e: engine.answers(t, e, TOKENS), judge, (2, 8)
    )
    for flip in flips:
        k, verdict = flip.tried[-1]
        answer = "".join(engine.generate(flip.text, Edits.ablate(top_per_layer(ranked, k)), TOKENS))
        assert flip.answer == answer and judge.judge([flip.text], [answer])[0].verdict == verdict


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_when_it_is_added(name, tmp_path, sae_folder):
    with pytest.raises(AssetError) as caught:
        check_draft(Draft("mine", str(save(name, tmp_path / "model")), str(sae_folder), "", LAYERS))
    assert "\n" not in str(caught.value) and SCRIPT["refusal"](ALL[name])


def test_the_table_in_the_documents_is_what_the_command_prints():
    document = (PROGRAM_FOLDER / "docs" / "models.md").read_text(encoding="utf-8")
    assert SCRIPT["table"]() in document
