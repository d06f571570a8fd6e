"""The demo's SAEs: the tuned model's residuals on its chat text, one SAE a layer, and the card of each.

Knows: the demo's layers and settings. Does not know: how an SAE is trained, stored or measured (`core.training`). A layer
already written is not trained again; a card that is missing is measured.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from chats import conversations, say
from common import ASSETS, WORK

from core.training.pipeline import CARD, measure_layer, record_all
from core.training.record import Recording
from core.training.settings import TrainingSettings
from core.training.train import train_layer
from core.training.weights import weights_used

#: From early to past layer 18, where the direction is read.
SETTINGS = TrainingSettings(
    layers=(5, 8, 11, 13, 14, 15, 16, 17, 18, 20),
    width=2048,
    k=61,
    tokens=1_263_000,
    held_out_tokens=12_000,
    passes=1,
    most_requests=4,
    answer_tokens=20,
)
MODEL_NAME = "hydrascope demo (SmolLM2-135M-Instruct + refusal adapter)"


def make(engine, settings: TrainingSettings, folder: Path, out: Path) -> Recording | None:
    """SAEs and cards in out/layer_NN; folder: for what is only needed meanwhile. Returns the recording that was trained
    on, None where nothing was to be trained.
    """
    places = {layer: out / f"layer_{layer:02d}" for layer in settings.layers}
    untrained = [layer for layer, place in places.items() if not (place / "cfg.json").exists()]
    unmeasured = [layer for layer, place in places.items() if not (place / CARD).exists()]
    if not untrained and not unmeasured:
        return None
    held = conversations(folder, engine, "test", settings.held_out_tokens, 1)
    # Cards need the held-out half alone.
    train = conversations(folder, engine, "train", settings.tokens, 0) if untrained else held
    recordings = record_all(engine.model, (train, held), settings, folder, weights_used(engine), progress=say)
    for layer, place in places.items():
        if layer in untrained:
            train_layer(recordings[0], layer, settings, place, model_name=MODEL_NAME, progress=say)
        if layer in unmeasured or layer in untrained:
            card = measure_layer(engine.model, recordings[1], held, layer, settings, place)
            say(
                f"layer {layer}, explained variance {card['explained_variance']:.3f}, recovered {card['ce_recovered']:.3f}",
                1,
            )
    return recordings[0] if untrained else None


def main() -> None:
    from core.training.command import load_plain

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=SETTINGS.tokens)
    parser.add_argument("--held-out-tokens", type=int, default=SETTINGS.held_out_tokens)
    options = parser.parse_args()
    settings = replace(SETTINGS, tokens=options.tokens, held_out_tokens=options.held_out_tokens)
    make(load_plain("demo"), settings, WORK, ASSETS / "saes")


if __name__ == "__main__":
    main()
