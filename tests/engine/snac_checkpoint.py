"""A SNAC checkpoint of the real 24 kHz configuration with random weights, which the real `snac` package loads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from snac import SNAC

# config.json of hubertsiuzdak/snac_24khz.
CONFIG: Mapping[str, Any] = {
    "sampling_rate": 24000,
    "encoder_dim": 48,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 1024,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}


def make_snac_checkpoint(folder: Path, *, seed: int = 0, **changes: Any) -> Path:
    """Write `config.json` and `pytorch_model.bin` as the published checkpoint has them.

    Args:
        folder: Where; made if missing.
        seed: Of the weights.
        changes: Configuration values that differ from the 24 kHz model's.

    Returns:
        The folder.
    """
    config = {**CONFIG, **changes}
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = SNAC(**config).state_dict()
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save(weights, folder / "pytorch_model.bin")
    return folder
