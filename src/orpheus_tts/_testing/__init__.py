"""The parts of `orpheus_tts.testing`."""
