"""What every request shares: made once when the process starts, kept in `app.state`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request
from redis import Redis

from pipeline.broker.publish import publish_many
from pipeline.people.previews import Previews
from pipeline.resources import now
from pipeline.settings import Settings
from pipeline.web.limits import Limiter
from storage.session import Database


@dataclass(frozen=True, kw_only=True)
class Context:
    """The services behind the routes."""

    settings: Settings
    database: Database
    redis: Redis
    limiter: Limiter
    broker: Celery
    previews: Previews
    clock: Callable[[], datetime] = now

    def publish(self, task: str, ids: list[int]) -> None:
        """Enqueue a task for each id. Raises BrokerError; what is owed is in the database, so the sweep sends later."""
        publish_many(self.broker, task, [(each,) for each in ids])


async def _context(request: Request) -> Context:
    context = request.app.state.context
    assert isinstance(context, Context)
    return context


Services = Annotated[Context, Depends(_context)]
