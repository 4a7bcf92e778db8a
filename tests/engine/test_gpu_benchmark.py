"""The GPU benchmark's part for the codec on real SNAC, small: that it measures at all, not what."""

import math
from dataclasses import replace

from gpu import decoder
from gpu.results import Results
from gpu.sizes import SMALL


def test_passes_of_the_codec_are_measured_at_every_size(snac_folder, tmp_path):
    results = Results(tmp_path / "decoder.json", "decoder")
    size = replace(SMALL, batches=(1, 2), frames=(3,), pass_seconds=0.0)
    decoder.run(results, snac_folder, size, until=math.inf)
    measured = [(row["kind"], row["batch"]) for row in results.rows]
    assert measured == [("ours", 1), ("ours", 2), ("package, fp32", 1), ("package, fp32", 2)]
    assert all(row["audio_per_second"] > 0 for row in results.rows)
