"""What has to be known of a checkpoint before the engine loads it: that it is Orpheus's, and its tokenizer."""

import json
from pathlib import Path
from typing import Any

from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.domain.tokens import CODEBOOK_SIZE, CODES_PER_FRAME, FIRST_AUDIO_TOKEN

LEAST_VOCABULARY = FIRST_AUDIO_TOKEN + CODES_PER_FRAME * CODEBOOK_SIZE
"""Rows a vocabulary needs to hold every audio token: 156,938. Orpheus's own has two more."""

# What vLLM loads by itself, first what Orpheus comes in.
_WEIGHTS = ("*.safetensors", "*.bin", "*.pt")


class PlainTextTokenizer:
    """A checkpoint's tokenizer that knows no token but those of text.

    The added tokens of the `tokenizer.json`, special or not, are left out before it is built: `encode_special_tokens`
    would only spare those marked as special, and Orpheus's `<custom_token_N>` are not. So `<|eot_id|>` in a text is
    text like any other.

    Args:
        definition: Content of a `tokenizer.json`. Not changed.

    Raises:
        BackendUnavailableError: It is not a tokenizer's definition.
    """

    def __init__(self, definition: dict[str, Any]) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415 - comes with the vllm extra

        # The post-processor would put control tokens around the text, which the prompt has of its own.
        plain = {**definition, "added_tokens": [], "post_processor": None, "truncation": None, "padding": None}
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(plain))
        except Exception as error:
            raise BackendUnavailableError(f"The checkpoint's tokenizer.json cannot be read: {error}") from error

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without any control token. Halves of surrogate pairs become question marks."""
        utf8 = text.encode("utf-8", "replace").decode("utf-8")
        ids: list[int] = self._tokenizer.encode(utf8, add_special_tokens=False).ids
        return ids


def read_config(model: str, revision: str | None) -> dict[str, Any]:
    """Content of the checkpoint's `config.json`.

    Raises:
        BackendUnavailableError: There is no such checkpoint, or it may not be had.
    """
    return _read_json(model, revision, "config.json")


def read_vocabulary_size(model: str, revision: str | None) -> int:
    """How many token ids the checkpoint has, according to its `config.json`.

    Raises:
        BackendUnavailableError: There is no such checkpoint, it may not be had, or it is not one of Orpheus.
    """
    size = read_config(model, revision).get("vocab_size")
    if not isinstance(size, int) or size < LEAST_VOCABULARY:
        raise BackendUnavailableError(
            f"{model} is not an Orpheus checkpoint: its config.json says vocab_size {size}, "
            f"and the audio tokens need at least {LEAST_VOCABULARY}."
        )
    return size


def check_weights(model: str) -> None:
    """Check that a local checkpoint has weights at all; whether they are sound shows when they are loaded.

    Raises:
        BackendUnavailableError: It has none.
    """
    folder = Path(model)
    if folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
        raise BackendUnavailableError(f"The folder {model} is not a checkpoint: it has no weights ({_WEIGHTS[0]}).")


def read_tokenizer(model: str, revision: str | None) -> PlainTextTokenizer:
    """The checkpoint's tokenizer.

    Raises:
        BackendUnavailableError: There is none, or it cannot be read.
    """
    return PlainTextTokenizer(_read_json(model, revision, "tokenizer.json"))


def _read_json(model: str, revision: str | None, name: str) -> dict[str, Any]:
    folder = Path(model)
    file = folder / name if folder.is_dir() else _from_hub(model, revision, name)
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise BackendUnavailableError(f"The folder {model} is not a checkpoint: it has no {name}.") from error
    except (OSError, ValueError) as error:
        raise BackendUnavailableError(f"The {name} of {model} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise BackendUnavailableError(f"The {name} of {model} is not a JSON object.")
    return content


def _from_hub(model: str, revision: str | None, name: str) -> Path:
    from huggingface_hub import errors, hf_hub_download  # noqa: PLC0415 - comes with the vllm extra

    try:
        return Path(hf_hub_download(model, name, revision=revision))
    except errors.HFValidationError as error:
        reason = "is neither a folder here nor an id on the Hugging Face hub"
        raise BackendUnavailableError(f"{model!r} {reason}.") from error
    except errors.GatedRepoError as error:
        reason = (
            "is gated: accept its terms at https://huggingface.co/"
            f"{model}, then log in with `hf auth login` or set HF_TOKEN"
        )
        raise BackendUnavailableError(f"{model} {reason}.") from error
    except errors.RepositoryNotFoundError as error:
        reason = "is no folder here, and the Hugging Face hub has nothing of that name that you may see"
        raise BackendUnavailableError(f"{model} {reason}.") from error
    except errors.RevisionNotFoundError as error:
        raise BackendUnavailableError(f"{model} has no revision {revision}.") from error
    except errors.LocalEntryNotFoundError as error:
        reason = "is neither a folder here nor in the cache, and the Hugging Face hub cannot be reached"
        raise BackendUnavailableError(f"{model} {reason}.") from error
    except errors.EntryNotFoundError as error:
        raise BackendUnavailableError(f"{model} is not a usable checkpoint: it has no {name}.") from error
    except Exception as error:
        raise BackendUnavailableError(f"The {name} of {model} could not be fetched: {error}") from error
