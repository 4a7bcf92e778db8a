"""How well the decoder's batches are filled."""

from prometheus_client import Histogram

from orpheus_tts.ports.audio_decoder import AudioDecoder, BatchTeller


def measure_batches(decoder: AudioDecoder) -> None:
    """Count the sizes of a decoder's batches, if it tells of them."""
    if isinstance(decoder, BatchTeller):
        sizes = Histogram(
            "orpheus_tts_decoder_batch_size",
            "Windows of audio that were decoded together.",
            registry=None,
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
        )
        decoder.tell_batches(sizes.observe)
