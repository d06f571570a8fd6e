"""What a model takes, in lines for people: before it is added, prepared or opened.

Knows: a footprint's figures. Does not know: how they are found out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.text.sizes import size_text

if TYPE_CHECKING:
    from core.models.footprint import Footprint


def footprint_text(found: Footprint) -> str:
    """Several lines: size, download, disk, memory, whether it fits, and what stands in the way."""
    download = size_text(found.download) if found.download else "nothing"
    packing = size_text(found.packing) if found.packing else "nothing"
    disk = f"; disk: {size_text(found.disk)}, {size_text(found.disk_free)} free" if found.disk else ""
    lines = [
        f"Parameters: {found.parameters / 1e9:.2f} billion; {found.saes} SAEs, {found.saes_packed} of them packed",
        f"To download: {download}; to pack: {packing}{disk}; memory: about {size_text(found.memory)}, "
        f"{size_text(found.free)} free",
        f"{found.verdict} ({found.placement})",
    ]
    if found.needs_token:
        lines.append(
            "Gated: accept the licence on the model's page, then log in with `hf auth login`, or set HF_TOKEN."
        )
    if not found.online:
        lines.append("The hub could not be reached. These numbers describe only the files on this machine.")
    return "\n".join(lines)
