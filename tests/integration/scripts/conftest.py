from collections.abc import Callable

import pytest

from pipeline import resources
from pipeline.settings import get_settings
from pipeline.tasks import crawl as crawl_tasks
from tests.support.broker import lead_app_to


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets what runs in this process have some settings, as if it were a new one."""

    def configure(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        for cached in (get_settings, resources.database, resources.redis, crawl_tasks._crawler):
            cached.cache_clear()
        if url := settings.get("REDIS_URL"):
            lead_app_to(monkeypatch, settings.get("BROKER_URL", url))

    return configure
