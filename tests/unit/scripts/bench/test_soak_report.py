from typing import Any

from scripts.bench.soak_report import longest_queues, process_figures, server_figures


def used(rss_mb: float | None, *, threads: int | None = 5) -> dict[str, Any]:
    return {"pid": 1, "rss_mb": rss_mb, "peak_mb": rss_mb, "pss_mb": None, "threads": threads, "fds": 20}


def sample(at_s: float, *, notify: int = 0, **processes: dict[str, Any]) -> dict[str, Any]:
    return {
        "at_s": at_s,
        "processes": processes,
        "queues": {"notify_tasks": notify},
        "redis_mb": 2.0,
        "redis_keys": 12,
        "database_mb": 1 + at_s / 3600,
        "rows": 500,
    }


SAMPLES = [sample(at, notify=at % 70, notifier=used(100 + at / 360), beat=used(80.0)) for at in range(0, 3600, 10)]


def test_each_process_has_its_memory_when_warm_at_the_end_and_its_growth() -> None:
    figures = process_figures(SAMPLES, 3600)
    assert list(figures) == ["notifier", "beat"]
    assert figures["notifier"]["rss_mb_warm"] == 101.2
    assert figures["notifier"]["rss_mb_end"] == 109.5
    assert figures["notifier"]["rss_mb_growth_per_h"] == 10
    assert figures["beat"]["rss_mb_growth_per_h"] == 0
    assert (figures["beat"]["threads_end"], figures["beat"]["fds_most"]) == (5, 20)


def test_what_the_kernel_does_not_tell_is_none() -> None:
    assert process_figures(SAMPLES, 3600)["beat"]["pss_mb_end"] is None
    assert process_figures([sample(1)], 60) == {}


def test_a_process_that_was_seen_once_has_no_growth() -> None:
    figures = process_figures([*SAMPLES, sample(3600, crawl=used(90.0))], 3600)
    assert (figures["crawl"]["rss_mb_most"], figures["crawl"]["rss_mb_growth_per_h"]) == (90, None)


def test_servers_and_queues() -> None:
    servers = server_figures(SAMPLES, 3600)
    assert (servers["redis_keys_end"], servers["database_mb_growth_per_h"]) == (12, 1)
    assert longest_queues(SAMPLES) == {"notify_tasks": 60}
