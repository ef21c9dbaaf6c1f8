"""A person's devices, subscriptions and inbox: under /v1/me for a phone, under /v1/users/{user} for a back end.

Both are the same functions: they differ in who may call, and in where the person's name stands.
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from pipeline.delivery.asking import timing_of
from pipeline.delivery.push_config import push_config
from pipeline.people import entries, storing
from pipeline.people.wishes import EntryError
from pipeline.push.message import Platform
from pipeline.push.outcome import OutcomeKind
from pipeline.push.trial import DEADLINE_S, answer_in_words, trial_message
from pipeline.web.answers import device_out, notification_out, subscription_out, user_out
from pipeline.web.callers import USER, Caller, allow
from pipeline.web.context import Context, Services
from pipeline.web.schemas.basics import Id, Installation
from pipeline.web.schemas.people import (
    BadgeOut,
    DeviceIn,
    DeviceOut,
    DigestEventIn,
    EventIn,
    ExportOut,
    InboxIn,
    InboxOut,
    PushTestOut,
    ReadIn,
    ReadOut,
    SubscriptionChange,
    SubscriptionIn,
    SubscriptionOut,
    UserChange,
    UserOut,
)
from storage import bulk, sites, subscriptions, users
from storage import inbox as stored_inbox
from storage.models import Device, User
from storage.subscriptions import KeywordText

Named = Callable[..., Awaitable[str]]
"""A dependency that gives the app's id of the person, to whom may have it."""
MOST = 1000
"""Devices and subscriptions of one person that are listed; the settings keep them below."""
EXPORTED = 100_000


def me() -> APIRouter:
    """The routes of a phone: the person is the one whom the token names."""

    async def named(caller: Annotated[Caller, Depends(allow(USER))]) -> str:
        assert caller.user is not None
        return entries.check_user_id(caller.user)

    return _router("/v1/me", "me", read=named, write=named)


def by_name() -> APIRouter:
    """The routes of a back end: the person stands in the address."""

    async def named(user: Annotated[str, Path(max_length=255, examples=["minji"])]) -> str:
        return entries.check_user_id(user)

    async def reads(user: Annotated[str, Depends(named)], _: Annotated[Caller, Depends(allow("app", "read"))]) -> str:
        return user

    async def writes(user: Annotated[str, Depends(named)], _: Annotated[Caller, Depends(allow("app"))]) -> str:
        return user

    return _router("/v1/users/{user}", "user", read=reads, write=writes)


def _router(prefix: str, word: str, *, read: Named, write: Named) -> APIRouter:
    router = APIRouter(prefix=prefix, tags=[word], generate_unique_id_function=lambda route: f"{word}_{route.name}")
    for add in (_about, _devices, _subscriptions, _inbox):
        add(router, read, write)
    return router


def _ensure(session: Session, name: str, services: Context) -> User:
    """The person, made at their first registration: whoever signed their token, or holds the key, vouches for them."""
    bulk.store_users(session, [bulk.UserEntry(user=name)], now=services.clock())
    return users.by_external_id(session, name)


def _person(session: Session, user: User, services: Context) -> UserOut:
    return user_out(user, stored_inbox.unread(session, user.id), services.settings.default_preferences)


def _about(router: APIRouter, read: Named, write: Named) -> None:
    @router.get("", summary="The person, and their badge")
    def get(name: Annotated[str, Depends(read)], services: Services) -> UserOut:
        with services.database.reading() as session:
            user = users.by_external_id(session, name)
            return _person(session, user, services)

    @router.patch("", summary="Change time zone, pause, or when and how often there are pushes")
    def change(name: Annotated[str, Depends(write)], body: UserChange, services: Services) -> UserOut:
        entry = entries.user_entry({"user": name, **body.model_dump(exclude={"snooze"})})
        at, timing = services.clock(), timing_of(services.settings)
        with services.database.writing() as session:
            storing.store_users(session, [entry], timing=timing, now=at)
            if body.snooze is not None:
                zone = users.by_external_id(session, name).timezone
                until = entries.snooze(body.snooze, at=at, zone=zone)
                snoozed = bulk.UserEntry(user=name, snooze_until=until)
                storing.store_users(session, [snoozed], timing=timing, now=at)
            user = users.by_external_id(session, name)
            return _person(session, user, services)

    @router.delete("", status_code=HTTPStatus.NO_CONTENT, summary="Forget the person and all that is theirs")
    def forget(name: Annotated[str, Depends(write)], services: Services) -> None:
        with services.database.writing() as session:
            users.forget_if_there(session, name)

    @router.get("/export", summary="All that is kept of the person")
    def export(name: Annotated[str, Depends(read)], services: Services) -> ExportOut:
        with services.database.reading() as session:
            user = users.by_external_id(session, name)
            return ExportOut(
                user=_person(session, user, services),
                devices=[device_out(d) for d, _ in users.devices(session, user_id=user.id, limit=EXPORTED)],
                subscriptions=[
                    subscription_out(row) for row in subscriptions.listing(session, user_id=user.id, limit=EXPORTED)
                ],
                notifications=[
                    notification_out(row)
                    for row in stored_inbox.listing(session, user_id=user.id, limit=EXPORTED, with_devices=False)
                ],
            )


def _devices(router: APIRouter, read: Named, write: Named) -> None:
    @router.get("/devices", summary="The person's phones")
    def list_devices(name: Annotated[str, Depends(read)], services: Services) -> list[DeviceOut]:
        with services.database.reading() as session:
            user = users.by_external_id(session, name)
            return [device_out(device) for device, _ in users.devices(session, user_id=user.id, limit=MOST)]

    @router.put("/devices/{installation}", summary="Register a phone, as its app does at each start")
    def put_device(
        name: Annotated[str, Depends(write)], installation: Installation, body: DeviceIn, services: Services
    ) -> DeviceOut:
        entry = entries.device_entry({"user": name, **body.model_dump(include={"platform", "token", "environment"})})
        zone = entries.user_entry({"user": name, "timezone": body.timezone})
        if body.app is not None and entry.platform != "apns":
            raise EntryError("an app (a bundle id) is about APNs; leave it out for other platforms")
        at = services.clock()
        with services.database.writing() as session:
            storing.store_users(session, [zone], timing=timing_of(services.settings), now=at)
            user = users.by_external_id(session, name)
            return device_out(
                users.register_installation(
                    session,
                    user.id,
                    installation,
                    platform=entry.platform,
                    token=entry.token,
                    environment=entry.environment,
                    app=body.app,
                    locale=body.locale,
                    now=at,
                )
            )

    @router.delete(
        "/devices/{installation}", status_code=HTTPStatus.NO_CONTENT, summary="Send nothing to a phone any more"
    )
    def remove_device(name: Annotated[str, Depends(write)], installation: Installation, services: Services) -> None:
        with services.database.writing() as session:
            user = users.by_external_id(session, name)
            users.remove_installation(session, user.id, installation)

    @router.post("/devices/{installation}/test", summary="Send one push to a phone and tell the vendor's answer")
    def test_device(
        name: Annotated[str, Depends(write)], installation: Installation, services: Services
    ) -> PushTestOut:
        with services.database.reading() as session:
            user = users.by_external_id(session, name)
            device = users.by_installation(session, user.id, installation)
        return try_device(services, device)


def _subscriptions(router: APIRouter, read: Named, write: Named) -> None:
    @router.get("/subscriptions", summary="What the person wants to hear of")
    def list_subscriptions(name: Annotated[str, Depends(read)], services: Services) -> list[SubscriptionOut]:
        with services.database.reading() as session:
            user = users.by_external_id(session, name)
            return [subscription_out(row) for row in subscriptions.listing(session, user_id=user.id, limit=MOST)]

    @router.post(
        "/subscriptions",
        status_code=HTTPStatus.CREATED,
        responses={200: {"model": SubscriptionOut, "description": "It was there already"}},
        summary="Subscribe to a phrase, on one site or on all, or to every post of a site",
    )
    def subscribe(
        name: Annotated[str, Depends(write)], body: SubscriptionIn, services: Services, response: Response
    ) -> SubscriptionOut:
        entry = body.entry(name)
        with services.database.writing() as session:
            user = _ensure(session, name, services)
            subscription, new = subscriptions.add(
                session,
                user.id,
                keyword=entry.keyword,
                site_id=sites.by_name(session, entry.site).id if entry.site else None,
                exclude=sorted(entry.exclude, key=lambda phrase: phrase.text),
                match_body=entry.match_body,
                title_only=entry.title_only,
                pace=entry.pace,
                limit=services.settings.subscriptions_per_user,
                now=services.clock(),
            )
            if not new:
                response.status_code = HTTPStatus.OK
            if entry.pace is not None:
                _hold(session, user.id, services)
            return _shown(session, user.id, subscription.id)

    @router.patch("/subscriptions/{subscription}", summary="Change excluded phrases, pace, or where is looked")
    def change_subscription(
        name: Annotated[str, Depends(write)], subscription: Id, body: SubscriptionChange, services: Services
    ) -> SubscriptionOut:
        exclude: list[KeywordText] | None = None
        if body.exclude is not None:
            exclude = sorted(
                {entries.keyword_text(text, None) for text in body.exclude}, key=lambda phrase: phrase.text
            )
        with services.database.writing() as session:
            user = users.by_external_id(session, name)
            owned = subscriptions.owned(session, user.id, subscription)
            subscriptions.change(
                session, owned, exclude=exclude, match_body=body.body, title_only=body.title_only, pace=body.pace
            )
            if body.pace is not None:
                _hold(session, user.id, services)
            return _shown(session, user.id, owned.id)

    @router.delete("/subscriptions/{subscription}", status_code=HTTPStatus.NO_CONTENT, summary="Hear of it no more")
    def unsubscribe(name: Annotated[str, Depends(write)], subscription: Id, services: Services) -> None:
        with services.database.writing() as session:
            user = users.by_external_id(session, name)
            session.delete(subscriptions.owned(session, user.id, subscription))


def _hold(session: Session, user_id: int, services: Context) -> None:
    storing.hold(session, [user_id], timing=timing_of(services.settings), now=services.clock())


def _shown(session: Session, user_id: int, subscription_id: int) -> SubscriptionOut:
    (row,) = subscriptions.listing(session, user_id=user_id, subscription_id=subscription_id, limit=1)
    return subscription_out(row)


def _inbox(router: APIRouter, read: Named, write: Named) -> None:
    @router.get(
        "/notifications",
        response_model=InboxOut,
        responses={304: {"description": "Nothing changed since the answer with this ETag"}},
        summary="The inbox, newest first: every post that the person was owed, whatever became of its push",
    )
    def inbox(
        name: Annotated[str, Depends(read)], query: Annotated[InboxIn, Query()], services: Services, request: Request
    ) -> Response:
        with services.database.reading() as session:
            rows = stored_inbox.listing(
                session,
                user=name,
                unread=query.unread,
                merged=False,
                before=query.cursor,
                limit=query.limit + 1,
                with_devices=False,
            )
            if not rows:
                users.by_external_id(session, name)
        page = rows[: query.limit]
        cursor = page[-1].id if len(rows) > query.limit else None
        return _with_etag(request, InboxOut(items=[notification_out(row) for row in page], next_cursor=cursor))

    @router.post("/notifications/read", summary="Mark notifications as read")
    def mark_read(name: Annotated[str, Depends(write)], body: ReadIn, services: Services) -> ReadOut:
        with services.database.writing() as session:
            user = users.by_external_id(session, name)
            read_now = stored_inbox.mark_read(session, user.id, ids=body.ids, upto=body.up_to, now=services.clock())
            return ReadOut(read=read_now, badge=stored_inbox.unread(session, user.id))

    @router.post(
        "/notifications/{notification}/events",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Tell what the person did with a notification: opened (which reads it), dismissed, read, unsubscribe",
    )
    def report(name: Annotated[str, Depends(write)], notification: Id, body: EventIn, services: Services) -> None:
        with services.database.writing() as session:
            user = users.by_external_id(session, name)
            if body.event == "unsubscribe":
                subscriptions.end_phrase(session, user.id, stored_inbox.of_user(session, user.id, notification))
            stored_inbox.record_event(session, user.id, notification, body.event, now=services.clock())

    @router.post(
        "/digests/{digest}/events",
        status_code=HTTPStatus.NO_CONTENT,
        summary="Tell what the person did with a digest: opened, dismissed, read (which reads all that it tells of)",
    )
    def report_digest(
        name: Annotated[str, Depends(write)], digest: Id, body: DigestEventIn, services: Services
    ) -> None:
        with services.database.writing() as session:
            user = users.by_external_id(session, name)
            stored_inbox.record_digest_event(session, user.id, digest, body.event, now=services.clock())

    @router.get("/badge", summary="The number on the app's icon")
    def badge(name: Annotated[str, Depends(read)], services: Services) -> BadgeOut:
        with services.database.reading() as session:
            return BadgeOut(badge=users.badge(session, name))


def _with_etag(request: Request, answer: InboxOut) -> Response:
    body = answer.model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers: Mapping[str, Any] = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def try_device(services: Context, device: Device) -> PushTestOut:
    """Send one message. Nothing is recorded, and the device is not disabled for what the vendor says."""
    # The vendors' libraries are 20 MB, and this is the one thing that wants them here.
    from pipeline.delivery.shared_tokens import RedisTokenStore
    from pipeline.push.channels import build_channels

    channels = build_channels(push_config(services.settings), RedisTokenStore(services.redis), services.clock)
    try:
        message = trial_message(
            Platform(device.platform), device.token, device.environment, app=device.app, now=services.clock()
        )
        (outcome,) = channels[message.platform].send([message], DEADLINE_S)
    finally:
        for channel in channels.values():
            channel.close()
    return PushTestOut(delivered=outcome.kind is OutcomeKind.DELIVERED, answer=answer_in_words(outcome))
