"""Somebody who reads the pages of operators over HTTP, without scripts."""

import re
from typing import Any

import requests

from pipeline.resources import now
from pipeline.web.commands import LONGEST_S
from pipeline.web.pages.links import new_link_address
from tests.support.api import TIMEOUT_S, Api


class Reader:
    """A browser without scripts."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.session = requests.Session()

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(f"{self.api.url}/ops{path}", timeout=TIMEOUT_S, **options)

    def post(self, path: str, **form: str) -> requests.Response:
        return self.session.post(f"{self.api.url}/ops{path}", data=form, timeout=LONGEST_S)

    def sign_in(self, name: str = "minji") -> "Reader":
        address = new_link_address(self.api.context.database, self.api.url, name, now=now())
        assert "Sign in" in self.session.get(address, timeout=TIMEOUT_S).text
        assert self.post("/sign-in", key=address.rpartition("=")[2]).status_code == 200
        return self

    def token(self) -> str:
        """What a form of this session carries."""
        found = re.search(r'name="token" value="([0-9a-f]{64})"', self.get("/changes").text)
        assert found
        return found[1]
