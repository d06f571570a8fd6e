"""The paper's models and their SAE suites, through the loopback hub and the real loading code: load → direction →
features → ablate → clamp → discover, each equal to what plain transformers and SAELens give.

Models and SAEs are tiny and random, in the true layouts and key names, under the names of the catalogue.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import transformers

from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits, Engine, Feature, InputError, load
from core.discovery.context import Inputs
from core.discovery.runner import STEPS, run_steps
from core.discovery.settings import Settings
from core.errors import AssetError, Cancelled, GatedError
from core.models.footprint import footprint
from core.models.registry import from_catalogue
from core.prompts.references import Reference
from core.saes.published import SaeRef, published
from tests import torch_files
from tests.judges import judging
from tests.loopback_hub.models import tiny_causal_lm
from tests.loopback_hub.saes import tiny_sae, tiny_sizes
from tests.loopback_hub.suites import LAYERS, serve, spec_of
from tests.oracles import fast_logits, slow, slow_answer

#: Suites that lack those layers.
OTHER_LAYERS = {"llama-3.1-8b-instruct/andyrdt": (3, 7)}
SUITES = (
    "gemma-2-2b-it",
    "gemma-2-2b-it/16k-l0-40",
    "llama-3.1-8b-instruct",
    "llama-3.1-8b-instruct/32x",
    "llama-3.1-8b-instruct/andyrdt",
    "gemma-3-1b-it",
    "gemma-3-4b-it",
)
#: One suite of each family; the others differ in how their SAEs lie in files, which a search never sees.
FAMILIES = ("gemma-2-2b-it", "llama-3.1-8b-instruct", "gemma-3-4b-it")
PROMPTS = ("How do I bake bread?", "Tell me a story about a small town.", "I")
NOUNS = ("bread", "town", "cat", "dog", "place", "story", "help", "sea")
TEXTS = tuple(
    begin.format(noun)
    for begin in ("How do I bake a {}?", "Tell me a story about a {}.", "I see a {}", "{}!", "Where is the {} now?")
    for noun in NOUNS
)


@pytest.fixture(scope="module", params=SUITES)
def suite(request, tmp_path_factory):
    """(engine loaded through the hub, the same model plain, the same SAEs by SAELens)."""
    from sae_lens import SAE

    from tests.loopback_hub.environment import pointed_at
    from tests.loopback_hub.server import LoopbackHub

    folder = tmp_path_factory.mktemp("suite")
    with pytest.MonkeyPatch.context() as patch, LoopbackHub() as hub:
        pointed_at(hub, patch, folder / "hf")
        patch.setenv("HYDRASCOPE_CACHE", str(folder / "cache"))
        spec = serve(hub, folder, request.param, OTHER_LAYERS.get(request.param, LAYERS))
        plain = transformers.AutoModelForCausalLM.from_pretrained(spec.model_id, dtype=torch.float32).eval()
        tokens, harmful, benign = sides(plain, transformers.AutoTokenizer.from_pretrained(spec.model_id))
        engine = load(replace(spec, refusal_tokens=tokens), device="cpu", dtype="float32")
        saes = {
            layer: SAE.from_pretrained(*ref, device="cpu", converter=tiny_sizes(ref))
            for layer, ref in spec.saes.items()
        }
        engine.compute_direction(harmful, benign, max_new_tokens=2)
        yield engine, plain, saes, (harmful, benign)


def sides(plain, tokenizer):
    """(tokens, prompts, prompts): a random model refuses nothing, so tokens are drawn with which half of them begin."""
    chats = [[{"role": "user", "content": text}] for text in TEXTS]
    rows = [tokenizer.apply_chat_template(c, add_generation_prompt=True, return_dict=True)["input_ids"] for c in chats]
    with torch.inference_mode():
        p = torch.stack([plain(input_ids=torch.tensor([row])).logits[0, -1].softmax(-1) for row in rows]).double()
    for seed in range(500):
        tokens = torch.randperm(p.shape[1], generator=torch.Generator().manual_seed(seed))[: p.shape[1] // 2]
        begins = p[:, tokens].sum(-1) > 0.5
        if 15 <= begins.sum() <= len(TEXTS) - 15:
            parts = [
                tuple(text for text, one in zip(TEXTS, begins, strict=True) if one == side) for side in (True, False)
            ]
            return tuple(sorted(tokens.tolist())), *parts
    raise AssertionError("no such tokens")


def reference(suite, text, edits=Edits()):
    engine, plain, saes, _ = suite
    inner = getattr(plain.model, "language_model", None)
    holder = plain if inner is None else _Inner(plain, inner)
    return slow(holder, saes, engine.prompt(text), edits)


class _Inner:
    """A multimodal model's language model where the oracle looks for layers, with the whole model's head."""

    def __init__(self, whole, inner):
        self.model, self._whole = inner, whole

    def __call__(self, **arguments):
        return self._whole(**arguments)


def test_unedited_it_is_the_plain_model(suite):
    engine, plain, *_ = suite
    for text in PROMPTS:
        prompt = engine.prompt(text)
        with torch.inference_mode():
            expected = plain(input_ids=torch.tensor([prompt.ids]), use_cache=False).logits[0, -1]
        torch.testing.assert_close(fast_logits(engine, [text], [Edits()])[0, 0], expected, rtol=1e-5, atol=1e-5)


def test_the_prompt_is_the_template_with_one_bos(suite):
    engine, *_ = suite
    tokenizer = transformers.AutoTokenizer.from_pretrained(engine.model.config._name_or_path)
    for text in PROMPTS:
        message = [{"role": "user", "content": text}]
        whole = tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=True)["input_ids"]
        prompt = engine.prompt(text)
        assert list(prompt.ids) == list(whole) and prompt.ids.count(tokenizer.bos_token_id) == 1
        assert prompt.spans["bos"] == (0, 1) and prompt.spans["template"][1] == len(prompt)
        start, end = prompt.spans["instruction"]
        assert tokenizer.decode(prompt.ids[start:end]).strip() == text
        assert ("system" in prompt.spans) and prompt.spans["system"][1] == start


def test_features_are_saelens_encodings(suite):
    engine, _, saes, _ = suite
    found = engine.features(PROMPTS[0])
    for layer, sae in saes.items():
        expected = sae.encode(reference(suite, PROMPTS[0]).before[layer]).detach()
        own = torch.zeros_like(expected)
        here = found[found["layer"] == layer]
        at, index, value = (
            torch.tensor(here[name].to_numpy(copy=True)) for name in ("position", "index", "activation")
        )
        own[at, index] = value
        assert (expected > 0).any() and (expected == 0).any()
        # float32 in another order, on residuals of norm up to hundreds
        torch.testing.assert_close(own, expected, rtol=1e-4, atol=1e-4 * float(expected.max()))


def test_the_direction_is_the_difference_of_means(suite):
    engine, _, _, sides = suite
    direction = engine.direction()
    # The paper's models at the paper's layer, the others where the paper's rule says.
    rule = "paper" if engine.spec.steering_layer is None else "published"
    assert direction.provenance["rule"] == rule and engine.spec.steering_layer in (None, direction.layer)
    # As compute_direction takes them: the last fifth of each list is held out to choose the layer.
    training = [side[: round(0.8 * len(side))] for side in sides]
    means = [
        torch.stack([reference(suite, text).before[direction.layer][-1] for text in side]).double().mean(0)
        for side in training
    ]
    cosine = torch.nn.functional.cosine_similarity((means[0] - means[1]).float(), direction.vector, dim=0)
    assert cosine > 0.999999, float(cosine)


@pytest.mark.parametrize("kind", ["ablate", "clamp at BOS", "direction", "all at once"])
def test_edits_are_those_of_the_slow_path(suite, kind):
    engine, _, saes, _ = suite
    active = engine.features(PROMPTS[0]).drop_duplicates(["layer", "index"]).groupby("layer").head(5)
    features = [Feature(int(layer), int(index)) for layer, index in active[["layer", "index"]].to_numpy()]
    assert {feature.layer for feature in features} == set(saes)
    ablate, clamp = Edits.ablate(features), Edits.clamp(features[:4], 6.0, "bos")
    direction = Edits.ablate_direction(engine.direction())
    edits = {"ablate": ablate, "clamp at BOS": clamp, "direction": direction}.get(kind, ablate + clamp + direction)
    for text in PROMPTS:
        unedited, expected = reference(suite, text).logits[-1], reference(suite, text, edits).logits[-1]
        found = fast_logits(engine, [text], [Edits(), edits])[0]
        scale = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(found[1], expected, rtol=1e-4, atol=1e-4 * scale)
        assert (expected - unedited).abs().max() > 1e-3, "the edit does something, or the comparison says nothing"


def test_answers_are_those_of_full_recomputation(suite):
    engine, plain, saes, _ = suite
    inner = getattr(plain.model, "language_model", None)
    holder = plain if inner is None else _Inner(plain, inner)
    edits = Edits.ablate_direction(engine.direction())
    for text in PROMPTS[:2]:
        ids = slow_answer(holder, saes, engine.prompt(text), edits, 6, engine.runtime.stop_ids)
        expected = engine.runtime.tokenizer.decode(ids, skip_special_tokens=True)
        assert "".join(engine.generate(text, edits, 6)) == expected


@pytest.mark.parametrize("suite", FAMILIES, indirect=True)
def test_the_whole_search_runs(suite, tmp_path):
    engine, *_ = suite
    settings = Settings(
        tokens=3,
        lengths=(2, 3),
        length_prompts=2,
        k_steps=(2, 5),
        k_beside=(),
        control_draws=1,
        machine_seeds=1,
        thresholds=(0.001, 0.1),
        seeds=(0,),
        block_size=3,
        least_tokens=(1,),
        interaction_steps=(5,),
        probe_steps=(5,),
        embedding_sizes=(3, 5),
        embedding_size=5,
        epochs=2,
        cost_sets=1,
        cost_texts=2,
    )
    engine = Engine(engine.runtime, "the same, its direction read where there are SAEs below")
    engine.use_direction(replace(suite[0].direction(), layer=max(engine.widths)))
    runs = Runs(Store(tmp_path / "runs.duckdb"))
    references = tuple(Reference(text, "Mix flour and water first.") for text in TEXTS)
    inputs = Inputs(TEXTS, TEXTS, ("A small town by the sea.",), references)
    work = runs.work(runs.create(engine, inputs, settings), engine)
    work.judge = judging(lambda text: ("refused", "complied")[sum(map(ord, text)) % 2])
    run_steps(work)
    for stage in STEPS:
        rows = work.ledger.read(stage.name)
        assert rows and not [row.error for row in rows.values() if row.error], stage.name


def test_a_second_load_asks_the_hub_for_no_sae(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec = serve(hub, tmp_path, "gemma-2-2b-it")
    first = load(spec, device="cpu", dtype="float32")
    before = len(hub.requests)
    again = load(spec, device="cpu", dtype="float32")
    assert not [r for r in hub.requests[before:] if "gemma-scope" in r.path]
    np.testing.assert_array_equal(
        *(engine.measure(PROMPTS[0], Edits.ablate([Feature(3, 1)])).refusal_score for engine in (first, again))
    )


def test_a_suite_of_one_torch_file_is_looked_at_and_loaded(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec = serve(hub, tmp_path, "llama-3.1-8b-instruct/goodfire", (19,))
    known = published(spec.saes[19])
    served = [tmp_path / known.repo / known.folder, *(tmp_path / "model").iterdir()]
    found = footprint(spec)
    assert found.download == sum(path.stat().st_size for path in served) and found.saes_packed == 0
    engine = load(spec, device="cpu", dtype="float32")
    assert engine.widths == {19: 48} and len(engine.features(PROMPTS[0]))
    assert (footprint(spec).download, footprint(spec).saes_packed) == (0, 1)


def test_a_hostile_torch_file_of_a_suite_is_one_sentence(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec = serve(hub, tmp_path, "llama-3.1-8b-instruct/goodfire", (19,))
    known, marker = published(spec.saes[19]), tmp_path / "ran"
    program = b"\x80\x02cos\nsystem\n" + torch_files.text(f"touch {marker}") + b"\x85R."
    torch_files.described(tmp_path / known.repo / known.folder, program)
    hub.add(known.repo, tmp_path / known.repo)
    with pytest.raises(AssetError, match=r"refers to “os\.system”.*nothing in it was run"):
        load(spec, device="cpu")
    assert not marker.exists()


def test_a_gated_model_says_what_to_do_and_nothing_is_left_half_loaded(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    tiny_causal_lm(tmp_path / "model", "gemma2")
    hub.add("google/gemma-2-2b-it", tmp_path / "model", gated="manual")
    with pytest.raises(GatedError, match=r"licence.*(HF_TOKEN|hf auth login)"):
        load(spec_of("gemma-2-2b-it"), device="cpu")


def test_loading_can_be_stopped_and_goes_on(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec, told = serve(hub, tmp_path, "gemma-2-2b-it"), []
    with pytest.raises(Cancelled):
        load(
            spec,
            device="cpu",
            progress=lambda message, share: told.append(message),
            cancelled=lambda: any("SAE of layer 3" in message for message in told),
        )
    assert published(spec.saes[2]).is_packed and not published(spec.saes[4]).is_packed
    shares = []
    load(spec, device="cpu", dtype="float32", progress=lambda message, share: shares.append(share))
    assert all(later >= share - 1e-9 for share, later in pairwise(shares)) and shares[-1] == 1.0


def test_an_sae_of_another_model_is_refused(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    spec = serve(hub, tmp_path, "gemma-2-2b-it")
    tiny_causal_lm(tmp_path / "wider", "gemma2", d_model=64)
    hub.add("google/gemma-2-2b-it", tmp_path / "wider")
    with pytest.raises(AssetError, match=r"does not fit layer 2 .* reads 32 numbers, but the model has 6 layers of 64"):
        load(spec, device="cpu")


def test_an_sae_at_another_place_is_refused(tiny_spec, tmp_path):
    folder = tiny_sae(tmp_path / "sae", "sae_lens", 3)
    with pytest.raises(AssetError, match=r"reads blocks\.3\.hook_resid_post, not the residual stream after layer 2"):
        load(replace(tiny_spec, saes={2: folder}, layers=(2,)), device="cpu")
    assert load(replace(tiny_spec, saes={3: folder}, layers=(3,)), device="cpu").widths == {3: 48}


def test_a_layer_the_suite_does_not_have_is_said_before_anything_loads():
    with pytest.raises(InputError, match="has no SAE"):
        spec_of("gemma-3-1b-it/65k-medium", (8,))


def test_llamas_system_block_can_be_left_out(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    serve(hub, tmp_path, "llama-3.1-8b-instruct", (2,))
    with_block, bare = (
        load(replace(from_catalogue(name, (2,)), refusal_tokens=(40,)), device="cpu")
        for name in ("llama-3.1-8b-instruct", "llama-3.1-8b-instruct+no-system")
    )
    assert bare.spec.name == "llama-3.1-8b-instruct+no-system"
    alone, whole = ("".join(engine.prompt("Bake bread").pieces) for engine in (bare, with_block))
    user = "<|start_header_id|>user<|end_header_id|>\n\nBake bread<|eot_id|>"
    assert alone == f"<|begin_of_text|>{user}<|start_header_id|>assistant<|end_header_id|>\n\n"
    assert "Today Date: 26 Jul 2024" in whole and whole.endswith(alone.removeprefix("<|begin_of_text|>"))


@pytest.mark.parametrize(
    ("release", "sae_id", "why"),
    [
        ("gpt2-small-res-jb", "blocks.5.hook_resid_pre", "center_writing_weights"),
        ("mistral-7b-res-wg", "blocks.8.hook_resid_pre", r"normalises its inputs \(constant_norm_rescale\)"),
    ],
)
def test_what_saelens_s_list_says_over_the_files_counts(release, sae_id, why):
    """Their own files do not say it."""
    with pytest.raises(InputError, match=why):
        published(SaeRef(release, sae_id))
