"""Which engines speak: backends by name, from entry points, built-in ones by the same door; and the choice of `auto`.

A backend is a function `(settings, executor) -> Backend` under the entry-point group `orpheus_tts.backends`. A package
that ships only a token generator pairs it with the decoder it wants in such a function.
"""

import ctypes
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec

from orpheus_tts.domain.errors import BackendUnavailableError
from orpheus_tts.ports.audio_decoder import AudioDecoder
from orpheus_tts.ports.token_generator import TokenGenerator
from orpheus_tts.settings import Settings

GROUP = "orpheus_tts.backends"


@dataclass(frozen=True, slots=True)
class Backend:
    """A pair of engines that belong together."""

    generator: TokenGenerator
    decoder: AudioDecoder


BackendFactory = Callable[[Settings, Executor], Backend]


@dataclass(frozen=True, slots=True)
class Choice:
    """The backend that a setting stands for.

    Attributes:
        name: Of the backend.
        reason: Why, in a sentence for people.
    """

    name: str
    reason: str


def vllm_backend(settings: Settings, executor: Executor) -> Backend:
    """Orpheus on vLLM, SNAC beside it."""
    from orpheus_tts.adapters.snac import SnacDecoder, check_snac  # noqa: PLC0415 - heavy, and an extra
    from orpheus_tts.adapters.vllm import VllmConfig, start_generator  # noqa: PLC0415 - likewise

    check_snac(settings.snac_model, settings.snac_device)  # seconds, before the engine's minute
    beside = cuda_devices() > 0 and settings.snac_device in {"auto", "cuda", "cuda:0"}
    generator, still_beside = start_generator(
        VllmConfig(
            model=settings.model_name,
            dtype=settings.dtype,
            max_model_len=settings.max_model_len,
            tensor_parallel_size=settings.tensor_parallel_size,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            max_num_seqs=settings.max_num_seqs,
            engine_args=settings.engine_args,
        ),
        codec_beside=beside,
        auto_fit=settings.auto_fit,
    )
    try:
        decoder = SnacDecoder(
            settings.snac_model,
            device="cpu" if beside and not still_beside else settings.snac_device,
            max_batch_size=settings.snac_max_batch_size,
            batch_timeout=settings.snac_batch_timeout,
            executor=executor,
        )
    except BaseException:
        generator.shutdown()
        raise
    return Backend(generator, decoder)


def embedded_backend(_settings: Settings, executor: Executor) -> Backend:
    """An eSpeak NG voice."""
    from orpheus_tts.adapters.embedded import Codebook, EmbeddedDecoder, EmbeddedTokenGenerator  # noqa: PLC0415 - an extra

    codebook = Codebook()
    return Backend(EmbeddedTokenGenerator(codebook, executor=executor), EmbeddedDecoder(codebook))


def backend_names() -> list[str]:
    """All installed backends."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def load_backend(name: str) -> BackendFactory:
    """The factory of that name.

    Raises:
        BackendUnavailableError: There is none, or its package does not import; says what there is.
    """
    found: Sequence[EntryPoint] = tuple(entry_points(group=GROUP, name=name))
    if not found:
        raise BackendUnavailableError(
            f"There is no backend {name!r}. TTS_BACKEND can be auto, {', '.join(backend_names())}."
        )
    try:
        factory: BackendFactory = found[0].load()
    except ImportError as error:
        raise BackendUnavailableError(f"The backend {name!r} does not import: {error}.") from error
    return factory


def choose_backend(setting: str) -> Choice:
    """What `TTS_BACKEND` stands for; `auto` takes Orpheus where it can run, else the embedded voice."""
    if setting != "auto":
        return Choice(setting, "TTS_BACKEND says so")
    missing = missing_packages("vllm", "snac")
    devices = cuda_devices()
    if devices and not missing:
        return Choice("vllm", f"there are {devices} CUDA device(s), and vLLM and SNAC are installed")
    reason = (
        f"{' and '.join(missing)} is not installed (pip install 'orpheus-tts[vllm]')"
        if devices
        else "there is no CUDA device"
    )
    return Choice("embedded", f"{reason}, so an eSpeak NG voice stands in for Orpheus")


def missing_packages(*names: str) -> list[str]:
    """Which of these packages cannot be found; imports none of them."""
    return [name for name in names if find_spec(name) is None]


def cuda_devices() -> int:
    """How many CUDA devices the driver shows, without importing torch."""
    if not sys.platform.startswith("linux"):
        return 0
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
