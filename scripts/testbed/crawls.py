"""The crawl processes of an installation, found where the kernel lists a process's children (Linux)."""

from contextlib import suppress
from pathlib import Path


class Crawls:
    """Looks for crawls that go on when their crawler is gone."""

    def __init__(self) -> None:
        # Forkserver -> the crawls that were seen below it.
        self._seen: dict[int, set[int]] = {}
        self._strays: set[int] = set()

    def look(self, crawler: int | None) -> None:
        """Note the crawls that run now, and those of a crawler that is gone beside a new one's."""
        for forkserver in children(crawler) if crawler is not None else ():
            self._seen.setdefault(forkserver, set())
        running: dict[int, set[int]] = {}
        for forkserver, crawls in list(self._seen.items()):
            crawls |= children(forkserver)
            running[forkserver] = {pid for pid in crawls if _is_crawl(pid)}
            self._seen[forkserver] = set(running[forkserver])
            if not running[forkserver] and not _is_crawl(forkserver):
                del self._seen[forkserver]
        living = [forkserver for forkserver, crawls in running.items() if crawls]
        # The forkserver that was found last is the crawler's own; what the others still have is of its predecessors.
        for forkserver in living[:-1]:
            self._strays |= running[forkserver]

    @property
    def strays(self) -> int:
        """How many crawls ran beside those of a later crawler."""
        return len(self._strays)

    def one(self, crawler: int | None) -> int | None:
        """A crawl of this crawler, None when there is none at this moment."""
        return next((pid for fork in children(crawler) for pid in sorted(children(fork))), None) if crawler else None


def children(pid: int) -> set[int]:
    """The children of a process, whichever of its threads made them; none where the kernel does not tell."""
    found: set[int] = set()
    with suppress(OSError):
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):
                found |= {int(word) for word in listed.read_text().split()}
    return found


def _is_crawl(pid: int) -> bool:
    """Whether a process is a forkserver or a crawl; one that has ended and waits to be reaped is not."""
    try:
        return name_of(pid) in ("forkserver", "crawl") and bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def name_of(pid: int) -> str:
    """The name under which the kernel shows a process; empty when it is gone, or where the kernel does not tell."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
