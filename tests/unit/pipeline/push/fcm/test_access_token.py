import asyncio
import threading
from datetime import UTC, datetime, timedelta

import google.auth.exceptions
import pytest

from pipeline.push.clock import Clock
from pipeline.push.fcm import access_token
from pipeline.push.fcm.access_token import AccessTokens, TokenError
from pipeline.push.outcome import OutcomeKind


class Credentials:
    """Google's credentials without Google: counts how often it is asked, and can be told to fail."""

    def __init__(self, lifetime_s=3600):
        self.lifetime_s = lifetime_s
        self.fetched = 0
        self.error = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.token = self.expiry = None

    def with_claims(self, claims):
        return self

    def refresh(self, request):
        self.fetched += 1
        assert self.may_answer.wait(10)
        if self.error:
            raise self.error
        self.token = f"token {self.fetched}"
        self.expiry = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=self.lifetime_s)


def run(scenario):
    asyncio.run(asyncio.wait_for(scenario, 20))


def test_hundreds_who_ask_at_once_cause_one_fetch():
    credentials = Credentials()

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        got = await asyncio.gather(*(tokens.get() for _ in range(300)))
        assert set(got) == {"token 1"}

    run(scenario())
    assert credentials.fetched == 1


def test_one_who_gives_up_does_not_take_the_token_from_the_others():
    credentials = Credentials()
    credentials.may_answer.clear()

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        impatient, patient = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.sleep(0)
        credentials.may_answer.set()
        assert await patient == "token 1"

    run(scenario())


def test_a_token_is_renewed_ahead_of_time_while_the_old_one_is_still_used():
    credentials = Credentials(lifetime_s=access_token.RENEW_AHEAD_S - 5)

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        assert await tokens.get() == "token 1"
        credentials.may_answer.clear()
        assert [await tokens.get() for _ in range(10)] == ["token 1"] * 10
        credentials.may_answer.set()
        await tokens._fetch
        assert await tokens.get() == "token 2"

    run(scenario())
    # The second one is as short-lived, so it is being renewed by now as well; never twice at once.
    assert credentials.fetched <= 3


def test_a_renewal_that_fails_leaves_the_old_token_in_use():
    credentials = Credentials(lifetime_s=access_token.RENEW_AHEAD_S - 5)

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        await tokens.get()
        credentials.error = google.auth.exceptions.TransportError("no route")
        assert await tokens.get() == "token 1"
        with pytest.raises(TokenError):
            await tokens._fetch
        assert [await tokens.get() for _ in range(10)] == ["token 1"] * 10

    run(scenario())
    assert credentials.fetched == 2


def test_a_token_near_its_end_is_not_used():
    credentials = Credentials()

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        await tokens.get()
        tokens._expires_at -= 3600 - access_token.MARGIN_S + 1
        assert await tokens.get() == "token 2"

    run(scenario())


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (
            google.auth.exceptions.RefreshError("invalid_grant: Invalid JWT Signature.", retryable=False),
            OutcomeKind.CHANNEL_DOWN,
            "credentials_refused",
        ),
        (
            google.auth.exceptions.RefreshError("internal_failure", retryable=True),
            OutcomeKind.RETRY,
            "token_unavailable",
        ),
        (google.auth.exceptions.TransportError("no route"), OutcomeKind.RETRY, "token_unavailable"),
        (ValueError("something new"), OutcomeKind.RETRY, "token_unavailable"),
    ],
)
def test_a_fetch_that_fails_is_an_outcome_and_is_not_repeated_by_everybody(error, kind, code):
    credentials = Credentials()
    credentials.error = error

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        for _ in range(20):
            with pytest.raises(TokenError) as caught:
                await tokens.get()
            assert (caught.value.outcome.kind, caught.value.outcome.code) == (kind, code)
            assert str(error) in caught.value.outcome.detail

    run(scenario())
    assert credentials.fetched == 1


def test_after_a_failure_it_is_tried_again_later():
    credentials = Credentials()
    credentials.error = google.auth.exceptions.TransportError("no route")

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        with pytest.raises(TokenError):
            await tokens.get()
        credentials.error = None
        tokens._failed_until = 0.0
        assert await tokens.get() == "token 2"

    run(scenario())


def test_a_refused_token_is_replaced_unless_it_is_new():
    credentials = Credentials()

    async def scenario():
        tokens = AccessTokens(credentials, None, Clock())
        first = await tokens.get()
        # A token that was made a moment ago and is refused: another one would be refused as well.
        assert await tokens.get(instead_of=first) == first
        tokens._fetched_at -= access_token.MIN_REPLACE_S + 1
        got = await asyncio.gather(*(tokens.get(instead_of=first) for _ in range(50)))
        assert set(got) == {"token 2"}
        # Somebody whose answer comes late finds the new one.
        assert await tokens.get(instead_of=first) == "token 2"

    run(scenario())
    assert credentials.fetched == 2
