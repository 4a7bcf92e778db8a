"""Loads SNAC's weights from a folder or from the hub, and refuses what is not the 24 kHz model Orpheus speaks."""

import json
import math
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from snac import SNAC

from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODEBOOK_SLOTS, CODES_PER_FRAME, SAMPLE_RATE, SAMPLES_PER_FRAME

_CONFIG = "config.json"
_WEIGHTS = "pytorch_model.bin"
_REASON_CHARACTERS = 160
_STEPS_PER_FRAME = len(CODEBOOK_SLOTS[-1])
_STRIDES = [_STEPS_PER_FRAME // len(slots) for slots in CODEBOOK_SLOTS]


def load_snac(model: str) -> SNAC:
    """A `snac.SNAC` with its weights, on the CPU, ready for inference.

    Args:
        model: A folder that holds `config.json` and `pytorch_model.bin`, or the id of a repository on the hub.

    Raises:
        BackendUnavailableError: It cannot be loaded, or is not the 24 kHz model.
    """
    try:
        config_path, weights_path = _files(model)
        config = json.loads(config_path.read_text(encoding="utf-8"))
        _check_layout(config)
        network = SNAC(**config)
        network.load_state_dict(torch.load(weights_path, map_location="cpu", weights_only=True))
    except BackendUnavailableError:
        raise
    except HFValidationError as error:
        raise BackendUnavailableError(
            f"SNAC cannot be loaded: {model!r} is neither a folder here nor an id on the Hugging Face hub (SNAC_MODEL)."
        ) from error
    except LocalEntryNotFoundError as error:
        raise BackendUnavailableError(
            f"SNAC cannot be loaded: {model} is neither a folder here nor in the cache, and the Hugging Face hub "
            "cannot be reached (SNAC_MODEL)."
        ) from error
    except FileNotFoundError as error:
        missing = Path(error.filename or "").name
        raise BackendUnavailableError(f"The folder {model} is not a SNAC checkpoint: it has no {missing}.") from error
    except Exception as error:  # the hub's client raises what its HTTP library raises, torch what pickle raises
        reason = textwrap.shorten(str(error), _REASON_CHARACTERS, placeholder=" ...") or type(error).__name__
        raise BackendUnavailableError(
            f"SNAC could not be loaded from {model!r}; SNAC_MODEL names a folder that holds {_CONFIG} and {_WEIGHTS}, "
            f"or a repository on the hub: {reason}"
        ) from error
    return network.eval()


def _files(model: str) -> tuple[Path, Path]:
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder / _CONFIG, folder / _WEIGHTS
    return Path(hf_hub_download(model, _CONFIG)), Path(hf_hub_download(model, _WEIGHTS))


def _check_layout(config: Mapping[str, Any]) -> None:
    """Compare what decides how codes become samples; channel counts are free.

    Raises:
        BackendUnavailableError: Something differs; all of it is named.
    """
    found = {
        "sampling_rate": config.get("sampling_rate"),
        "codebook_size": config.get("codebook_size"),
        "vq_strides": config.get("vq_strides"),
        "samples a frame": _STEPS_PER_FRAME * math.prod(config.get("decoder_rates", ())),
        "attn_window_size": config.get("attn_window_size", "missing"),
    }
    needed = {
        "sampling_rate": SAMPLE_RATE,
        "codebook_size": CODEBOOK_SIZE,
        "vq_strides": _STRIDES,
        "samples a frame": SAMPLES_PER_FRAME,
        "attn_window_size": None,  # attention looks too far for windows to equal the whole
    }
    wrong = [f"{name} is {found[name]}, not {needed[name]}" for name in needed if found[name] != needed[name]]
    if wrong:
        raise BackendUnavailableError(
            f"Not the SNAC that Orpheus speaks ({CODES_PER_FRAME} codes a frame at 24 kHz, hubertsiuzdak/snac_24khz): "
            f"{'; '.join(wrong)}."
        )
