"""How large everything is: Orpheus on a GPU, or small enough to try the same scripts on a CPU."""

from dataclasses import dataclass

from checkpoints import ORPHEUS, LlamaShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What is measured, and for how long.

    Attributes:
        shape: Of the checkpoint.
        streams: Numbers of streams at the engine, ascending.
        context: Tokens that a stream has behind it on average.
        memory_share: Of the device that the engine takes.
        max_model_len: Most tokens of a prompt and its answer.
        window: Seconds for which throughput is measured, after `settle` seconds.
        settle: Likewise.
        batches: Windows per pass of the codec.
        frames: Frames per window.
        pass_seconds: For which a pass of the codec is repeated.
        listeners: Numbers of streams at the server.
        listen_seconds: In which their requests begin.
        length: Of the load generator's texts.
        http_processes: Of the server.
        copy_bytes: Copied to measure the memory's bandwidth.
    """

    shape: LlamaShape = ORPHEUS
    streams: tuple[int, ...] = (1, 8, 32, 64, 128, 192, 256, 384, 512)
    context: int = 600
    memory_share: float = 0.9
    max_model_len: int = 4096
    window: float = 6.0
    settle: float = 1.5
    batches: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    frames: tuple[int, ...] = (1, 3, 8, 32)
    pass_seconds: float = 0.5
    listeners: tuple[int, ...] = (1, 64, 200, 400)
    listen_seconds: float = 15.0
    length: str = "medium"
    http_processes: int = 4
    copy_bytes: int = 2**32


FULL = Size()
SMALL = Size(
    shape=LlamaShape(hidden=256, intermediate=128, layers=2, heads=4, kv_heads=2, filled=True),
    streams=(1, 2, 4, 8),
    context=120,
    memory_share=0.2,
    max_model_len=2048,
    window=2.0,
    settle=0.3,
    batches=(1, 4),
    frames=(3, 8),
    pass_seconds=0.3,
    listeners=(1, 2),
    listen_seconds=5.0,
    http_processes=1,
    copy_bytes=2**26,
)
