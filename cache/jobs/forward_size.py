"""How large the forward passes of a background job are. Knows: devices. Does not know: jobs."""

from __future__ import annotations

from core import devices
from core.forward.token_budget import TOKENS_PER_FORWARD

#: Tokens in one pass on a processor: few, so that a click on a page never waits long for the device.
_ON_CPU = 512


def background_tokens() -> int:
    """The most tokens that one forward pass of a background job should hold on this machine."""
    return _ON_CPU if devices.placement_for(0).device.type == "cpu" else TOKENS_PER_FORWARD
