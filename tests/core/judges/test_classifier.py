"""Classifiers as guests: nothing loaded until asked, sizes told beforehand, one at a time, gone when closed."""

import gc
import shutil
import threading
import weakref

import pytest
import torch
from huggingface_hub import constants
from transformers import AutoModelForCausalLM

from core import AssetError, DownloadError, InputError
from core.errors import Cancelled, GatedError, OfflineError
from core.forward.device_lock import DEVICE_LOCK, in_background
from core.judges import LLAMA2_CLS_PROMPT, HarmBench, classifier, find_judge
from tests.core.judges.standins import ANSWERS, PROMPTS, network, save, sentencepiece_like

REPO = "cais/HarmBench-Mistral-7b-val-cls"


@pytest.fixture
def folder(harmbench_folders):
    return harmbench_folders["harmbench-mistral"]


def test_nothing_is_loaded_or_asked_until_a_judgement_is(folder, monkeypatch):
    def never(*arguments, **options):
        raise RuntimeError("asked to load")

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", never)
    monkeypatch.setattr(classifier, "look", never)
    monkeypatch.setattr(classifier, "fetch", never)
    judge = find_judge("harmbench-mistral", folder)
    judge.footprint()
    assert judge.revision and judge.judge([], []) == () and not judge.is_loaded
    find_judge("llama-guard-2")
    with pytest.raises(AssetError, match="asked to load"):
        judge.judge(PROMPTS[:1], ANSWERS[:1])


def test_closing_frees_the_model_and_the_next_call_loads_it_again(folder):
    judge = find_judge("harmbench-mistral", folder)
    first = judge.judge(PROMPTS, ANSWERS)
    model = weakref.ref(judge.model)
    weights = weakref.ref(judge.model.lm_head.weight)
    judge.close()
    assert not judge.is_loaded and model() is None and weights() is None
    judge.close()  # again does nothing
    assert judge.judge(PROMPTS, ANSWERS) == first


def test_taking_turns_leaves_no_tensor_behind(harmbench_folders):
    def held():
        gc.collect()
        return sum(1 for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor))

    counts = []
    for _ in range(4):
        for name, folder in harmbench_folders.items():
            judge = find_judge(name, folder)
            judge.judge(PROMPTS[:2], ANSWERS[:2])
            judge.close()
        counts.append(held())
    assert counts[-1] == counts[1], counts


def test_one_at_a_time_the_next_takes_the_place(harmbench_folders):
    llama, mistral = (find_judge(name, folder) for name, folder in harmbench_folders.items())
    expected = llama.judge(PROMPTS, ANSWERS)
    mistral.judge(PROMPTS, ANSWERS)
    assert mistral.is_loaded and not llama.is_loaded
    assert llama.judge(PROMPTS, ANSWERS) == expected and not mistral.is_loaded


def test_a_closed_judge_does_not_close_the_one_that_took_its_place(harmbench_folders):
    llama, mistral = (find_judge(name, folder) for name, folder in harmbench_folders.items())
    llama.judge(PROMPTS[:1], ANSWERS[:1])
    mistral.judge(PROMPTS[:1], ANSWERS[:1])
    llama.close()
    assert mistral.is_loaded and classifier.loaded_classifier() is mistral


def test_weights_stay_in_the_format_they_are_stored_in(tmp_path):
    tokenizer = sentencepiece_like()
    model = network("llama", len(tokenizer), tokenizer.eos_token_id, 1)
    save(tmp_path, model, tokenizer, torch.bfloat16)
    judge = find_judge("harmbench-llama", tmp_path)
    judge.judge(["a"], ["b"])
    held = sum(p.numel() * p.element_size() for p in judge.model.parameters())
    # The file's header is all that the sizes say too much.
    assert judge.model.dtype == torch.bfloat16 and 0 <= judge.footprint().weights - held < 10_000


def test_a_model_that_says_anything_is_unclear(tmp_path):
    tokenizer = sentencepiece_like()
    save(tmp_path, network("llama", len(tokenizer), tokenizer.eos_token_id, 3), tokenizer)
    found = find_judge("harmbench-llama", tmp_path).judge(PROMPTS, ANSWERS)
    assert {one.harmful for one in found} == {"unclear"} and all(one.raw.lower() not in ("yes", "no") for one in found)


def test_the_revision_of_a_folder_is_what_its_files_hold(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "notes.txt").write_text("not read")
    same = find_judge("harmbench-mistral", copy).revision
    assert same == find_judge("harmbench-mistral", folder).revision
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert find_judge("harmbench-mistral", copy).revision != same


def test_pickled_weights_are_not_read(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "copy" / "pytorch_model.bin")
    judge = find_judge("harmbench-mistral", tmp_path / "copy")
    for ask in (judge.footprint, lambda: judge.revision):
        with pytest.raises(AssetError, match=r"holds no model\*\.safetensors"):
            ask()
    with pytest.raises(AssetError, match="cannot be loaded"):
        judge.judge(["a"], ["b"])
    assert classifier.loaded_classifier() is None and not judge.is_loaded


def test_a_damaged_file_is_one_sentence_and_takes_no_place(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "model.safetensors").write_bytes(b"not weights")
    judge = find_judge("harmbench-mistral", tmp_path / "copy")
    with pytest.raises(AssetError, match=r"“harmbench-mistral” cannot be loaded from .*; check its files"):
        judge.judge(["a"], ["b"])
    assert classifier.loaded_classifier() is None and not judge.is_loaded


@pytest.mark.parametrize(
    ("prompts", "answers", "says"),
    [(["a"], [], "as many"), ("a", "b", "list of prompts"), (["a"], [None], "are texts")],
)
def test_what_is_no_list_of_pairs_is_one_sentence_and_loads_nothing(folder, prompts, answers, says):
    judge = find_judge("harmbench-mistral", folder)
    with pytest.raises(InputError, match=says):
        judge.judge(prompts, answers)
    assert not judge.is_loaded


# From the loopback hub.


@pytest.fixture
def served(hub, folder, tmp_path):
    """The Mistral stand-in in shards, beside what real repositories also hold and a judge does not take."""
    source = tmp_path / "repo"
    tokenizer = sentencepiece_like()
    save(source, AutoModelForCausalLM.from_pretrained(folder), tokenizer, shards="100KB")
    (source / "README.md").write_text("a card")
    (source / "original").mkdir()
    (source / "original" / "consolidated.00.pth").write_bytes(b"pickled")
    (source / "pytorch_model.bin").write_bytes(b"pickled")
    (source / "consolidated.safetensors").write_bytes(b"the same weights again")
    assert len(list(source.glob("model-*.safetensors"))) > 1
    return source, hub.add(REPO, source)


def test_the_memory_shown_is_the_listings_and_is_shown_before_anything_comes(hub, served):
    source, commit = served
    judge = find_judge("harmbench-mistral")
    taken = judge.footprint()
    assert taken.weights == sum(path.stat().st_size for path in source.glob("model-*.safetensors"))
    assert taken.download > taken.weights and not taken.gated and not taken.needs_token
    assert judge.revision == commit and not judge.is_loaded
    assert not [request for request in hub.requests if request.body]
    assert f"{taken.weights / 1000:.0f} kB of weights" in taken.summary and "to download" in taken.summary


def test_from_the_hub_as_from_a_folder_and_offline_afterwards(hub, served, folder, monkeypatch):
    from tests.loopback_hub.environment import go_offline

    expected = find_judge("harmbench-mistral", folder).judge(PROMPTS, ANSWERS)
    judge = find_judge("harmbench-mistral")
    assert judge.judge(PROMPTS, ANSWERS) == expected and judge.revision == served[1]
    taken = {request.file for request in hub.requests if request.body}
    assert not taken & {"README.md", "original/consolidated.00.pth", "pytorch_model.bin", "consolidated.safetensors"}
    assert find_judge("harmbench-mistral").footprint().download == 0
    judge.close()
    go_offline(monkeypatch)
    again = find_judge("harmbench-mistral")
    assert again.judge(PROMPTS, ANSWERS) == expected and again.revision == served[1]
    assert again.footprint().weights == judge.footprint().weights


def test_a_branch_that_moved_between_look_and_fetch_is_stored_as_what_has_judged(hub, served):
    source, old = served
    judge = find_judge("harmbench-mistral")
    assert judge.revision == old
    (source / "generation_config.json").write_text('{"eos_token_id": 2, "bos_token_id": 1}')
    new = hub.add(REPO, source)
    judge.judge(PROMPTS[:1], ANSWERS[:1])
    assert new != old and judge.revision == new


def test_a_gated_judge_says_so_beforehand_and_what_to_do(hub, guard_folder):
    repo = "meta-llama/Meta-Llama-Guard-2-8B"
    hub.add(repo, guard_folder, gated="manual")
    judge = find_judge("llama-guard-2")
    taken = judge.footprint()
    assert taken.gated and taken.needs_token and taken.weights > 0 and "gated" in taken.summary
    with pytest.raises(GatedError) as caught:
        judge.judge(PROMPTS[:1], ANSWERS[:1])
    assert repo in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_gated_judge_opens_with_a_token_that_has_access(hub, guard_folder, monkeypatch):
    repo = "meta-llama/Meta-Llama-Guard-2-8B"
    hub.add(repo, guard_folder, gated="manual")
    hub.allow("hf_mine", repo)
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    judge = find_judge("llama-guard-2")
    assert judge.footprint().gated and not judge.footprint().needs_token
    expected = find_judge("llama-guard-2", guard_folder).judge(PROMPTS, ANSWERS)
    assert judge.judge(PROMPTS, ANSWERS) == expected


def test_no_network_is_one_sentence(hub, monkeypatch):
    from tests.loopback_hub.environment import go_offline

    go_offline(monkeypatch)
    judge = find_judge("llama-guard-3")
    for ask in (judge.footprint, lambda: judge.revision, lambda: judge.judge(["a"], ["b"])):
        with pytest.raises(OfflineError) as caught:
            ask()
        assert len(str(caught.value).splitlines()) == 1
    assert constants.HF_HUB_OFFLINE and not judge.is_loaded


def test_a_repository_with_pickles_alone_is_said_beforehand(hub, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    hub.add("me/pickled", tmp_path)
    judge = HarmBench("mine", "me/pickled", LLAMA2_CLS_PROMPT)
    with pytest.raises(AssetError, match="no safetensors weights"):
        judge.footprint()


def test_a_repository_that_is_not_there_is_one_sentence(hub):
    with pytest.raises(DownloadError) as caught:
        find_judge("harmbench-llama").footprint()
    assert "cais/HarmBench-Llama-2-13b-cls" in str(caught.value) and len(str(caught.value).splitlines()) == 1


def elsewhere(what):
    """What a call gives in another thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(what()))
    thread.start()
    thread.join(30)
    return found[0]


def taken():
    """Whether another thread has the device, asked without waiting."""
    if not DEVICE_LOCK.acquire(blocking=False):
        return True
    DEVICE_LOCK.release()
    return False


def test_every_forward_pass_is_a_turn_on_the_engines_device(guard_folder, tiny):
    assert tiny.runtime.lock is DEVICE_LOCK, "the model in use and the judge have one device"
    judge, during, between = find_judge("llama-guard-2", guard_folder), [], []
    judge.judge(PROMPTS[:1], ANSWERS[:1])
    plain = judge.model.model.forward

    def looking(*arguments, **options):
        during.append(elsewhere(taken))
        return plain(*arguments, **options)

    judge.model.model.forward = looking
    judge.model.register_forward_hook(lambda *_: between.append(elsewhere(taken)))
    found = judge.judge(PROMPTS[:3], ANSWERS[:3])
    assert len(during) > 2 and all(during), "several tokens, several turns"
    assert not any(between) and not elsewhere(taken), "free between two tokens, so that people can go first"
    with in_background():
        assert judge.judge(PROMPTS[:3], ANSWERS[:3]) == found


def test_a_pass_that_fails_gives_its_turn_back(folder):
    judge = find_judge("harmbench-mistral", folder)
    judge.judge(PROMPTS[:1], ANSWERS[:1])

    def fails(*arguments, **options):
        raise RuntimeError("out of memory")

    judge.model.model.forward = fails
    with pytest.raises(RuntimeError, match="out of memory"):
        judge.judge(PROMPTS[:1], ANSWERS[:1])
    assert not elsewhere(taken)


def test_a_download_can_be_stopped_and_gone_on_with(hub, folder):
    hub.add(REPO, folder)
    hub.slows(REPO, "model.safetensors", 20_000)
    stopped = threading.Event()
    judge = find_judge("harmbench-mistral", progress=lambda *_: stopped.set(), cancelled=stopped.is_set)
    with pytest.raises(Cancelled):
        judge.judge(PROMPTS, ANSWERS)
    assert not judge.is_loaded and classifier.loaded_classifier() is None
    hub.faults.clear()
    assert find_judge("harmbench-mistral").judge(PROMPTS, ANSWERS) == find_judge("harmbench-mistral", folder).judge(
        PROMPTS, ANSWERS
    )
