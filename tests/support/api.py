"""An API of a test's own: a real uvicorn on a free port, with keys of every scope."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests
import uvicorn

from pipeline.resources import now
from pipeline.settings import Settings
from pipeline.web.app import create_app, open_context
from pipeline.web.context import Context
from pipeline.web.keys import SERVER_SCOPES, make_server_key
from pipeline.web.peer import Peer
from pipeline.web.server import listen
from storage import api_keys
from tests.support.waiting import wait_until

TIMEOUT_S = 100


@dataclass(kw_only=True)
class Api:
    """A running API and what a test needs to call it."""

    url: str
    context: Context
    keys: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, credential: str | None = None, **options: Any) -> requests.Response:
        """Send a request with a credential: the name of a scope, or a token."""
        headers = dict(options.pop("headers", {}))
        if credential is not None:
            headers["Authorization"] = f"Bearer {self.keys.get(credential, credential)}"
        return requests.request(method, self.url + path, headers=headers, timeout=TIMEOUT_S, **options)

    def token(self, user: str) -> str:
        """A token for a user."""
        answer = self.call("POST", f"/v1/users/{user}/tokens", "app", json={})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])


def answers(url: str) -> bool:
    """Whether an address is answered, and well."""
    try:
        return requests.get(url, timeout=TIMEOUT_S).ok
    except requests.ConnectionError:
        return False


@contextmanager
def running_api(settings: Settings) -> Iterator[Api]:
    """Serve the API in a thread of this process, as the `web` process does."""
    context = open_context(settings)
    listening = listen("127.0.0.1", 0)
    app = Peer(create_app(context))
    config = uvicorn.Config(app, proxy_headers=False, http="httptools", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.started, "the API listens")
        host, port = listening.getsockname()
        yield Api(url=f"http://{host}:{port}", context=context, keys=dict(_make_keys(context)))
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_S)
        listening.close()


def _make_keys(context: Context) -> Iterator[tuple[str, str]]:
    with context.database.writing() as session:
        for scope in SERVER_SCOPES:
            new = make_server_key()
            api_keys.add(session, name=scope, scope=scope, prefix=new.prefix, hash=new.hash, expires_at=None, now=now())
            yield scope, new.shown
