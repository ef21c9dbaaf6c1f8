"""Device tokens as apps really send them: refused, or brought into the one form in which they are kept. Pure.

A token that is kept in two forms is two devices, and its phone shows every post twice. And what a program writes where
it has no token ("null"), or how it prints an object ("{length = 32, bytes = 0x..}"), is no device.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping

from storage.errors import StorageError
from storage.models import TOKEN_LENGTH


class DeviceError(StorageError, ValueError):
    """A device that cannot be registered, with the reason and the way out. Never holds the token."""


# BLACKLISTED: what Google's old client answered where it had no token.
_NOTHING = re.compile(
    r"""[\s"'<(\[{]*(null|nil|none|undefined|nan|true|false|optional|object object|blacklisted|token)?[\s"'>)\]}]*""",
    re.IGNORECASE,
)
# How Swift prints a value that may be missing.
_OPTIONAL = re.compile(r'Optional\("?([^"()]*)"?\)')


def in_one_form(platform: str, given: str) -> str:
    """The token as it is kept. Raises DeviceError, which does not repeat it."""
    token = given.strip()
    if optional := _OPTIONAL.fullmatch(token):
        token = optional[1]
    if _NOTHING.fullmatch(token):
        raise DeviceError(
            "the device token is none: the app sent a word or brackets in its place; register after it got one"
        )
    if len(token) > TOKEN_LENGTH or not token.isascii() or not token.isprintable():
        raise DeviceError(
            f"the device token is not one: expected 1 to {TOKEN_LENGTH} printable ASCII characters without blanks, "
            f"got {len(token)} characters"
        )
    return _FORMS.get(platform, _plain)(token)


def _plain(token: str) -> str:
    if " " in token:
        raise DeviceError("the device token is not one: there are blanks in it")
    return token


def _fcm(token: str) -> str:
    _plain(token)
    if re.search(r"[<>(){}\[\]\"'\\,;]", token):
        raise DeviceError("the device token is not one of FCM: there are brackets, quotes or commas in it")
    if re.fullmatch(r"[0-9a-fA-F]{64}", token):
        raise DeviceError("the device token is one of APNs and not of FCM: say platform apns, or ask Firebase's SDK")
    return token


_HEXADECIMAL = re.compile(r"[0-9a-f]{64,200}")
_WAY_OUT = 'an APNs token is 64 to 200 hexadecimal digits, such as map { String(format: "%02x", $0) }.joined() gives'


def _apns(token: str) -> str:
    # Apple, "Registering your app with APNs": the length varies, so it is not relied upon.
    digits = _digits(token).lower()
    if not _HEXADECIMAL.fullmatch(digits) or len(digits) % 2:
        raise DeviceError(f"the device token is not one of APNs: {_WAY_OUT}")
    return digits


def _digits(token: str) -> str:
    # How iOS prints Data, since iOS 13 and before; the newer form leaves the middle out.
    if printed := re.fullmatch(r"\{length ?= ?(\d+), ?bytes ?= ?0x([^}]*)\}", token):
        digits = printed[2].replace(" ", "")
        if len(digits) != 2 * int(printed[1]) or not re.fullmatch(r"[0-9a-fA-F]*", digits):
            raise DeviceError(f"the device token is the description of one, without its middle: {_WAY_OUT}")
        return digits
    if printed := re.fullmatch(r"<([0-9a-fA-F ]+)>|([0-9a-fA-F ]+)", token):
        return (printed[1] or printed[2]).replace(" ", "")
    if re.fullmatch(r"[A-Za-z0-9+/_-]{43}=?", token):
        return _from_base64(token)
    return token.removeprefix("0x")


def _from_base64(token: str) -> str:
    try:
        return base64.b64decode(token.rstrip("=") + "=", altchars=b"-_" if set(token) & set("-_") else None).hex()
    except binascii.Error:
        return token


_FORMS: Mapping[str, Callable[[str], str]] = {"fcm": _fcm, "apns": _apns}
"""What a platform knows of its tokens; of another's any text without blanks is one."""
