"""`orpheus-tts check`: what is installed, which backend is chosen and why, and whether it loads and speaks."""

import asyncio
import platform
import time
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console

from orpheus_tts.app import open_synthesizer
from orpheus_tts.backends import backend_names, choose_backend, cuda_devices
from orpheus_tts.domain.errors import OrpheusError
from orpheus_tts.domain.speech import SpeechRequest
from orpheus_tts.domain.tokens import SAMPLE_RATE
from orpheus_tts.settings import Settings

_PACKAGES = ("orpheus-tts", "litserve", "fastapi", "numpy", "espeakng-loader", "soxr", "torch", "vllm", "snac")
_SENTENCE = "This is a short sentence to hear whether everything works."


def check(settings: Settings, console: Console) -> bool:
    """Report in plain words, and say whether the chosen backend works."""
    console.print(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}", highlight=False)
    for package in _PACKAGES:
        console.print(f"  {package:16} {_version(package)}", highlight=False)
    console.print(f"CUDA devices: {cuda_devices()}", highlight=False)
    console.print(f"Backends installed: {', '.join(backend_names())}", highlight=False)
    choice = choose_backend(settings.backend)
    console.print(f"TTS_BACKEND={settings.backend} uses {choice.name}: {choice.reason}.", highlight=False)
    if choice.name == "vllm":
        console.print(f"Model {settings.model_name}, codec {settings.snac_model}; loading may take a while.")
    try:
        report = asyncio.run(_speak(settings))
    except OrpheusError as error:
        console.print(f"It does not work: {error}", style="red", highlight=False, markup=False)
        return False
    console.print(report, style="green", highlight=False)
    return True


async def _speak(settings: Settings) -> str:
    started = time.monotonic()
    async with open_synthesizer(settings) as synthesizer:
        loaded = time.monotonic()
        samples = await synthesizer.speak(SpeechRequest(text=_SENTENCE, request_id="check"))
        spoken = time.monotonic()
    return (
        f"It works: loaded in {loaded - started:.1f} s, "
        f"spoke {samples.size / SAMPLE_RATE:.1f} s of speech in {spoken - loaded:.1f} s."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
