"""The SAEs' cards on the pages that show features; nothing is shown for suites without cards."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from core.models import registry
from core.paths import PROGRAM_FOLDER
from core.saes.card import CARD
from pages.shared import sae_cards
from tests.conftest import opened
from tests.pages.models_page import PAGE, said

AUDIT = str(PROGRAM_FOLDER / "pages" / "audit" / "page.py")
FIGURES = {"width": 48, "tokens": 500, "explained_variance": 0.5, "l0": 6.0, "silent": 0.25, "ce_recovered": 0.75}
LINE = "Explained variance 0.50, cross-entropy recovered 0.75, silent features 0.25"


@pytest.fixture
def with_cards(on_page_model, page_spec, tmp_path):
    """The tiny model, its SAEs copied and given a card each."""
    saes = {}
    for layer, folder in page_spec.saes.items():
        saes[layer] = tmp_path / "saes" / f"layer_{layer}"
        shutil.copytree(Path(str(folder)), saes[layer])
        (saes[layer] / CARD).write_text(json.dumps(FIGURES | {"layer": layer}))
    spec = replace(page_spec, saes=saes)
    registry.register(spec)
    return spec


def test_the_models_page_has_the_table_and_the_audit_page_the_line(with_cards):
    models = opened(PAGE)
    assert not models.exception and LINE in said(models).replace("\\", "")
    assert list(models.dataframe[0].value["layer"]) == ["1", "2", "3"]
    audit = opened(AUDIT)
    assert not audit.exception and f"The SAEs: {LINE}" in said(audit).replace("\\", "")


def test_a_layer_has_its_own_sentence(with_cards):
    assert sae_cards.about_layer(with_cards, 2).startswith("The SAE of layer 2: explained variance 0.50")
    assert sae_cards.about_layer(with_cards, 7) == ""


def test_without_cards_nothing_is_said(on_page_model, page_spec):
    assert sae_cards.line(page_spec) == "" and sae_cards.about_layer(page_spec, 2) == ""
    audit = opened(AUDIT)
    assert not audit.exception and "The SAEs:" not in said(audit)
