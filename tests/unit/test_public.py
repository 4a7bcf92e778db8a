import subprocess
import sys

import orpheus_tts
import orpheus_tts.testing


def test_the_public_names_are_these():
    assert orpheus_tts.__all__ == [
        "VOICES",
        "AudioBlock",
        "Chunk",
        "OrpheusError",
        "Sampling",
        "SpeechRequest",
        "SpeechTimeline",
        "SpokenChunk",
        "SynthesisPolicy",
        "Synthesizer",
        "TimedText",
        "Voice",
    ]
    assert orpheus_tts.testing.__all__ == [
        "AudioDecoderContract",
        "RecordingObserver",
        "SyntheticDecoder",
        "SyntheticTokenGenerator",
        "TokenGeneratorContract",
    ]


def loaded_by(module):
    code = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_core_loads_nothing_heavy():
    heavy = {"torch", "vllm", "snac", "litserve", "pydantic", "fastapi", "structlog", "rich", "typer", "soxr", "av"}
    assert not heavy & loaded_by("orpheus_tts")
    assert not heavy & loaded_by("orpheus_tts.testing")


def test_importing_the_server_loads_no_engine_and_no_codecs():
    assert not {"torch", "vllm", "snac", "soxr", "espeakng_loader", "av"} & loaded_by("orpheus_tts.app")
