"""What is started, used and stopped: a server of ours, as a context manager."""

from typing import Self


class Startable:
    """Runs as long as a `with` block; what its start began is taken down when the start fails."""

    def start(self) -> None:
        """Start it, and return when it can be used."""
        raise NotImplementedError

    def stop(self) -> None:
        """End it. Safe to call twice, and after a start that failed."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
