"""Channels to the loopback gateway, and stories, on both databases."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.delivery import batch as batches
from pipeline.delivery.batch import Deliveries
from pipeline.push.channel import Channel
from pipeline.push.channels import build_channels
from pipeline.push.config import PushConfig
from pipeline.push.message import Platform
from pipeline.resources import now
from scripts.gateway.process import GatewayProcess
from storage import notifications, users
from storage.matching import Hit
from storage.models import User
from storage.notifications import Key
from storage.session import Database
from tests.integration.pipeline.delivery.edited_board import Board, of_all
from tests.integration.pipeline.delivery.story import Story, StoryFor, token_of
from tests.support.builders import add_site, found, stored_posts, subscribe
from tests.support.waiting import SECONDS


@pytest.fixture(autouse=True)
def _no_time_reaches_sqlite_in_a_form_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: datetime) -> str:
        raise AssertionError(f"a statement bound {value} without a type")

    monkeypatch.setitem(sqlite3.adapters, (datetime, sqlite3.PrepareProtocol), refuse)


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch waits for its channels however slow this machine is; tests of slow channels have less patience."""
    monkeypatch.setattr(batches, "PATIENCE_S", SECONDS)


@pytest.fixture(scope="module")
def push(running_gateway: GatewayProcess) -> Iterator[Mapping[Platform, Channel]]:
    named = {name.lower(): value for name, value in running_gateway.environment().items()}
    built = build_channels(PushConfig(ca_file=named.pop("push_ca_file"), **named))  # type: ignore[arg-type]
    yield built
    for channel in built.values():
        channel.close()


@pytest.fixture
def story(database: Database, push: Mapping[Platform, Channel]) -> StoryFor:
    """Makes people (name -> platforms) to whom one post is owed."""

    def make(people: Mapping[str, Sequence[str]], *, posts: int = 1, **options: Any) -> Story:
        at = now()
        with database.writing() as session:
            site = add_site(session, **options.pop("site", {}))
            for name, platforms in people.items():
                _user(session, name, platforms)
            for user in session.scalars(select(User)):
                subscribe(session, user, None, site_id=site.id)
            keys: list[Key] = []
            for number in range(posts):
                (post_id,) = stored_posts(session, site, [found(number, f"장학 {number} 🎓")])
                hit = Hit(site_id=site.id, title_ids=[], all_ids=[], match_body=False)
                made = notifications.create_slice(session, post_id, hit, after=0, size=1000, now=at)
                keys += [(post_id, user_id) for user_id in made.users]
        return Story(
            database=database, deliveries=Deliveries(database, **{"push": push, "lease_s": 20.0, **options}), keys=keys
        )

    return make


def _user(session: Any, name: str, platforms: Sequence[str]) -> Any:
    user = users.add(session, name, timezone="UTC", now=now())
    for platform in platforms:
        users.register_device(
            session, user.id, platform=platform, token=token_of(name, platform), environment=None, now=now()
        )
    return user


@pytest.fixture
def board(database: Database) -> Callable[..., Board]:
    def make(**site: Any) -> Board:
        board = Board(database, ttl_s=10 * 86_400, **site)
        board.crawl("A")
        assert board.push() == of_all("A")
        return board

    return make
