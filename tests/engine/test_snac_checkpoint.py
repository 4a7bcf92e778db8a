"""What SNAC is loaded from: folders and the hub's cache, and what is refused of them."""

import json
import os
import subprocess
import sys

import pytest
import torch
from snac_checkpoint import make_snac_checkpoint

from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.domain.errors import BackendUnavailableError


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:1", "meta"])
def test_a_device_that_is_not_there_is_refused(snac_folder, device):
    with pytest.raises(BackendUnavailableError, match="Devices: auto, cpu"):
        SnacDecoder(str(snac_folder), device=device)


@pytest.mark.parametrize("model", ["/no/such/folder", "no such: name"])
def test_a_model_that_is_not_there_is_refused_by_name(model):
    with pytest.raises(BackendUnavailableError, match=model):
        SnacDecoder(model, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling_rate": 32_000}, "sampling_rate is 32000, not 24000"),
        ({"codebook_size": 1024}, "codebook_size is 1024, not 4096"),
        ({"vq_strides": [8, 4, 2, 1]}, "vq_strides is"),
        ({"decoder_rates": [7, 7, 3, 3]}, "samples a frame is 1764, not 2048"),
        ({"attn_window_size": 32}, "attn_window_size is 32, not None"),
        ({"encoder_dim": "many"}, "could not be loaded"),
        ({"colour": "blue"}, "colour"),
    ],
)
def test_another_configuration_is_refused(tmp_path, snac_folder, changes, message):
    config = json.loads((snac_folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(BackendUnavailableError, match=message):
        SnacDecoder(str(tmp_path), device="cpu")


class RunsAtLoading:
    """What a hostile checkpoint pickles."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_checkpoint_cannot_run_code(tmp_path, snac_folder):
    (tmp_path / "config.json").write_bytes((snac_folder / "config.json").read_bytes())
    torch.save(RunsAtLoading(tmp_path / "made"), tmp_path / "pytorch_model.bin")
    with pytest.raises(BackendUnavailableError, match="could not be loaded"):
        SnacDecoder(str(tmp_path), device="cpu")
    assert not (tmp_path / "made").exists()


def test_other_weights_than_the_configurations_are_refused(tmp_path, snac_folder):
    make_snac_checkpoint(tmp_path, noise=False)
    (tmp_path / "config.json").write_bytes((snac_folder / "config.json").read_bytes())
    with pytest.raises(BackendUnavailableError, match="Missing key"):
        SnacDecoder(str(tmp_path), device="cpu")


FROM_HUB = """
from orpheus_tts.adapters.snac import SnacDecoder
from orpheus_tts.domain.errors import BackendUnavailableError

print(SnacDecoder("acme/codec", device="cpu").receptive_field)
try:
    SnacDecoder("acme/absent", device="cpu")
except BackendUnavailableError as error:
    print(error)
"""


def test_a_hub_id_is_found_in_the_hubs_cache(tmp_path, snac_folder):
    repository = tmp_path / "models--acme--codec"
    (repository / "snapshots").mkdir(parents=True)
    (repository / "snapshots" / ("0" * 40)).symlink_to(snac_folder)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    environment = os.environ | {"HF_HUB_CACHE": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", FROM_HUB], env=environment, capture_output=True, text=True, check=True, timeout=100
    ).stdout.splitlines()
    assert answer[0] == "4757"  # samples, as measured in test_snac
    assert "acme/absent is neither a folder here nor in the cache" in answer[1]
