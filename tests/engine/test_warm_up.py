"""After the warm-up nothing is left to be loaded, counted in modules that requests import."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(300)
REQUESTS = """
import asyncio, json, pathlib, sys
from orpheus_tts import SpeechRequest
from orpheus_tts.app import create_synthesizer
from orpheus_tts.settings import Settings

synthesizer = create_synthesizer(Settings())

async def main():
    cold = set(sys.modules)
    await synthesizer.warm_up()
    warm = set(sys.modules)
    for text in ("The first request of all.", "Another one, which has 2 sentences. It is a little longer."):
        await synthesizer.speak(SpeechRequest(text=text))
    pathlib.Path(sys.argv[1]).write_text(json.dumps([sorted(warm - cold), sorted(set(sys.modules) - warm)]))
    await synthesizer.aclose()

asyncio.run(main())
"""


def test_the_first_requests_import_nothing(speaking_checkpoint, snac_folder, engine_args, tmp_path):
    told = tmp_path / "modules.json"
    subprocess.run(
        [sys.executable, "-c", REQUESTS, told],
        env={
            **os.environ,
            "TTS_BACKEND": "vllm",
            "TTS_MODEL_NAME": str(speaking_checkpoint),
            "SNAC_MODEL": str(snac_folder),
            "TTS_MAX_MODEL_LEN": "2048",
            "TTS_MAX_ATTEMPTS": "10",  # this checkpoint ends when chance has it, not when the text does
            "TTS_TOP_P": "1.0",
            "TTS_ENGINE_ARGS": json.dumps(engine_args),
            "LOG_LEVEL": "warning",
        },
        check=True,
    )
    by_warm_up, by_requests = json.loads(told.read_text())
    assert by_warm_up
    assert not by_requests
