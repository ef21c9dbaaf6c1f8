"""What stands for a crawl's child."""

import threading

from pipeline.crawling.order import CrawlOrder, CrawlReport

GOOD = CrawlReport(finish_reason="finished", ok=True, items_seen=3)


class Child:
    """Stands for run_child: gives the report it was told to, or waits until it is let go."""

    def __init__(self) -> None:
        self.report = GOOD
        self.order: CrawlOrder | None = None
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(self, order: CrawlOrder, **_: object) -> CrawlReport:
        self.order = order
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.began.set()
        assert self.may_end.wait(60)
        with self._lock:
            self.at_once -= 1
        return self.report
