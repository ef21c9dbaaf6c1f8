"""SQLite reads posts that are open by their small index, not the whole table."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from storage import overview
from storage.models import metadata

ASKING = (overview.site_states, overview.held_posts, overview.owed)


@pytest.mark.parametrize("ask", ASKING, ids=lambda ask: ask.__name__)
def test_held_and_ready_posts_are_found_by_the_index_over_open_ones(ask: Callable[[Session], object]) -> None:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    said: list[tuple[str, Any]] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, sql, values, *_: said.append((sql, values)))
    with Session(engine) as session:
        ask(session)
        asked = [(sql, values) for sql, values in said if "fanout" in sql]
        assert asked
        for sql, values in asked:
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()
            assert any("ix_posts_fanout_open" in row[-1] for row in plan), plan
