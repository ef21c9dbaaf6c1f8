"""Who waits for a server when it starts, and who ends at once."""

import pytest
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from pipeline import startup
from pipeline.settings import Settings

AT = 'connection to server at "127.0.0.1", port 5432 failed: '
ANSWERS = [
    (AT + "Connection refused\n\tIs the server running on that host?", True),
    (AT + "FATAL:  the database system is starting up", True),
    (AT + "FATAL:  sorry, too many clients already", True),
    (AT + "server closed the connection unexpectedly", True),
    ("connection timeout expired", True),
    ("database is locked", True),
    (AT + 'FATAL:  password authentication failed for user "refused"', False),
    (AT + 'FATAL:  database "starting up" does not exist', False),
    (AT + "fe_sendauth: no password supplied", False),
    ("[Errno -2] Name or service not known", False),
    ("unable to open database file", False),
    (RedisConnectionError("Error 111 connecting to localhost:6379. Connection refused."), True),
    (RedisTimeoutError("Timeout connecting to server"), True),
    (BusyLoadingError("Redis is loading the dataset in memory"), True),
    (AuthenticationError("invalid username-password pair or user is disabled."), False),
    (RedisConnectionError("SSL: CERTIFICATE_VERIFY_FAILED certificate verify failed"), False),
    (ResponseError("NOPERM this user has no permissions to run the 'info' command"), False),
]


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        assert seconds >= 1
        self.at += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(startup, "time", made)
    return made


@pytest.mark.parametrize(("said", "is_away"), ANSWERS)
def test_what_passes_by_itself_is_waited_for_and_nothing_else(said: str | RedisError, is_away: bool) -> None:
    error = said if isinstance(said, RedisError) else Exception(said)
    assert isinstance(startup._not_ready("x", error), startup.AwayError) == is_away


def test_a_process_waits_and_says_so_once(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def check(_: Settings) -> None:
        if clock.at < 60:
            raise startup.AwayError("the database cannot be reached")

    startup.wait_for(Settings(), {"database": check})
    assert [record.getMessage() for record in caplog.records] == [
        "database away or refusing, waiting",
        "database is back",
    ]


@pytest.mark.parametrize(("error", "after_s"), [(startup.AwayError("x"), 100), (startup.NotReadyError("x"), 0)])
def test_the_patience_is_bounded(clock: Clock, error: startup.NotReadyError, after_s: float) -> None:
    def check(_: Settings) -> None:
        raise error

    with pytest.raises(startup.NotReadyError):
        startup.wait_for(Settings(), {"redis": check}, patience_s=100)
    assert after_s <= clock.at <= after_s + 10
