"""The largest load that a server carries, by doubling and bisection."""

from collections.abc import Awaitable, Callable


async def largest(
    passes: Callable[[int], Awaitable[bool]], *, start: int = 1, most: int = 1024, slack: float = 0.0
) -> int:
    """The largest number that passes, if all below it pass and none above.

    Args:
        passes: Tries a number; called once for each.
        start: The first that is tried.
        most: None above it is tried.
        slack: When to stop: the answer is too low by at most this share of it. 0 finds it exactly.

    Returns:
        0 if not even 1 passes, `most` if that does.
    """
    low, high = 0, most + 1  # passes, does not pass
    number = min(start, most)
    while low < most and high > most:
        if await passes(number):
            low, number = number, min(2 * number, most)
        else:
            high = number
    while high - low > max(1.0, low * slack):
        middle = (low + high) // 2
        if await passes(middle):
            low = middle
        else:
            high = middle
    return low
