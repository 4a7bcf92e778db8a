"""The checkpoints that are measured: no one's weights, random content, valid frames, and Orpheus's cost."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checkpoints import make_llama_checkpoint
from snac_checkpoint import make_snac_checkpoint

from gpu.sizes import Size

# Of end-of-speech at the end of a frame, for the server: 7 s of speech on average, about what 100 characters take.
_END = 1 / 82


@dataclass(frozen=True, slots=True)
class Models:
    """Where they are, or will be.

    Attributes:
        folder: Above all of them.
    """

    folder: Path

    @property
    def endless(self) -> Path:
        """Answers that only their budget ends."""
        return self.folder / "endless"

    @property
    def speaking(self) -> Path:
        """Answers of any length, 82 frames on average."""
        return self.folder / "speaking"

    @property
    def snac(self) -> Path:
        """The codec, of its real size."""
        return self.folder / "snac"

    def make(self, size: Size, *, device: str) -> Mapping[str, Any]:
        """Write all of them; what that took."""
        begun = time.monotonic()
        make_llama_checkpoint(self.endless, end=0, shape=size.shape, device=device)
        make_llama_checkpoint(self.speaking, end=_END, shape=size.shape, device=device)
        make_snac_checkpoint(self.snac)
        weights = (self.endless / "model.safetensors").stat().st_size
        return {"seconds": round(time.monotonic() - begun, 1), "weight_bytes": weights}
