"""Signals to a process that crawls, and to everything around it: nothing may stay behind."""

import os
import signal
from contextlib import suppress

import psutil
import pytest

from tests.integration.pipeline.crawling.conftest import is_gone
from tests.integration.pipeline.crawling.test_child import faulty
from tests.support.faulty_spiders import POSTS
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("_faulty_spiders")


@pytest.mark.parametrize("fault", ["sleep", "loop", "hold_gil"])
def test_the_parent_is_killed(site, order_for, stored, note, parent_of, fault):
    parent = parent_of(order_for(params=faulty(site, fault, note=str(note))))
    wait_until(note.exists)
    family = parent.family()
    assert len(family) == 2
    parent.process.kill()
    wait_until(lambda: all(is_gone(each.pid) for each in family))
    assert stored() == POSTS


@pytest.mark.skipif(not psutil.LINUX, reason="needs the kernel's help, which is Linux'")
def test_parent_and_forkserver_are_killed_at_once(site, order_for, note, parent_of):
    params = {"url": site.url("/board"), "fault": "hold_gil", "note": str(note)}
    parent = parent_of(order_for(params=params))
    wait_until(note.exists)
    family = parent.family()
    parent.process.kill()
    parent.forkserver.kill()
    wait_until(lambda: all(is_gone(each.pid) for each in family))


def test_everything_is_told_to_end_twice(site, order_for, stored, parent_of):
    # Given a crawl that waits for its second page,
    params = {"url": site.url("/board"), "then": site.url("/hang"), "fault": "nothing", "posts": 5}
    parent = parent_of(order_for(params=params))
    wait_until(lambda: "/hang" in site.paths())
    family = parent.family()

    # when a service manager sends SIGTERM to the group and to every process of the service, twice,
    for _ in range(2):
        os.killpg(parent.process.pid, signal.SIGTERM)
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGTERM)

    # then the crawl is closed, what it had is kept, and nobody is left.
    report = parent.read()["report"]
    assert (report["finish_reason"], report["ok"], report["new_posts"]) == ("stopped", False, 5)
    assert stored() == 5
    assert parent.process.wait(60) == 0
    wait_until(lambda: all(is_gone(each.pid) for each in family))
