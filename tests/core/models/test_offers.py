"""What is offered to who has chosen no model: what is shipped, with what it costs to have."""

from core.models.offers import offers
from tests.shipped_model import NAME, assets, put_weights_here, shipped

__all__ = ["assets", "shipped"]  # fixtures


def test_each_says_where_its_refusals_are_from_and_what_it_costs(shipped, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    demo, other = offers()
    assert (demo.name, demo.line) == ("demo", "Taught to refuse by us. Downloads 93 MB once.")
    assert (other.name, other.line) == (NAME, "Trained to refuse by its makers. Downloads 1.1 GB once.")
    assert "5.0 GB of disk" in other.first_use and "5.7 GB of memory" in other.first_use
    put_weights_here(tiny_folder)
    assert offers()[1].line == "Trained to refuse by its makers. Already downloaded." and not offers()[1].first_use


def test_the_demo_starts_at_once_where_its_base_is_here(assets, monkeypatch):
    monkeypatch.setattr("core.models.offers.base_is_here", lambda: True)
    assert [offer.line for offer in offers()] == ["Taught to refuse by us. Starts at once."]
