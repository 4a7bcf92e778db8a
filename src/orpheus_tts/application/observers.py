"""Several observers as one."""

from orpheus_tts.ports.observer import Event, Observer


class Observers:
    """Tells each of several. An `Observer`."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def observe(self, event: Event) -> None:
        """All are told, in order."""
        for observer in self._observers:
            observer.observe(event)
