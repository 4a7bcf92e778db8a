"""The running server on CUDA: the same behaviour as on the CPU."""

from server_behaviour import *  # noqa: F403 - its tests and fixtures are this file's
