"""A process that crawls as a worker does: reads an order from standard input, prints what happened.

A SIGTERM sets `stop`, as a worker's does.
"""

import json
import signal
import sys
import threading
from dataclasses import asdict

from pipeline.crawling import child
from pipeline.crawling.child import forkserver, run_child
from pipeline.crawling.order import CrawlOrder
from tests.support.waiting import SECONDS


def main() -> None:
    stop = threading.Event()
    # A busy machine's crawl closes in more than a second and a half.
    child.STOP_GRACE_S = SECONDS

    def end(*_: object) -> None:
        # Event.set() is not re-entrant: a second signal in its middle would wait for the first one for ever.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop.set()

    signal.signal(signal.SIGTERM, end)
    order = CrawlOrder(**json.loads(sys.stdin.readline()))
    forkserver.start()
    print(json.dumps({"forkserver": forkserver.pid}), flush=True)
    report = run_child(order, stop=stop)
    print(json.dumps({"report": asdict(report)}), flush=True)


if __name__ == "__main__":
    main()
