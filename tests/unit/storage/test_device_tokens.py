"""Device tokens as public bug reports show them: refused, or brought into one form."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.device_tokens import DeviceError, in_one_form

HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f00123456789abcdef0123456789abcdef"
BYTES = bytes.fromhex(HEX)
IN_EIGHTS = " ".join(HEX[at : at + 8] for at in range(0, 64, 8))
FCM = "cR1x:APA91bE-_0" + "x" * 130


@pytest.mark.parametrize(
    "sent",
    [
        HEX,
        HEX.upper(),
        HEX[:32].upper() + HEX[32:],
        f"  {HEX}\n",
        f"<{IN_EIGHTS}>",
        IN_EIGHTS,
        f"<{HEX}>",
        f"{{length = 32, bytes = 0x{HEX}}}",
        f"{{length=32,bytes=0x{HEX}}}",
        f"{{length = 32, bytes = 0x{IN_EIGHTS}}}",
        f"0x{HEX}",
        f'Optional("{HEX}")',
        base64.b64encode(BYTES).decode(),
        base64.b64encode(BYTES).decode().rstrip("="),
        base64.urlsafe_b64encode(BYTES).decode(),
    ],
)
def test_every_form_of_one_apns_token_is_one_token(sent):
    assert in_one_form("apns", sent) == HEX


@given(st.binary(min_size=32, max_size=100), st.booleans())
def test_capital_and_small_letters_are_one_token_of_any_length(token, capital):
    sent = token.hex().upper() if capital else token.hex()
    assert in_one_form("apns", sent) == token.hex()
    assert in_one_form("apns", in_one_form("apns", sent)) == token.hex()


@given(st.binary(min_size=32, max_size=32))
def test_base64_in_both_alphabets_is_one_token(token):
    for sent in (base64.b64encode(token), base64.urlsafe_b64encode(token)):
        assert in_one_form("apns", sent.decode()) == token.hex()


NOTHING = [
    "(null)",
    "null",
    "NULL",
    "<null>",
    "nil",
    "None",
    "undefined",
    "NaN",
    "[object Object]",
    "{}",
    "''",
    '"null"',
]
NOTHING += ["", " ", "BLACKLISTED", "Optional(nil)", "true", "<>", "Optional()"]


@pytest.mark.parametrize("platform", ["apns", "fcm", "console", "a road of tomorrow"])
@pytest.mark.parametrize("sent", NOTHING)
def test_what_stands_where_there_is_no_token_is_refused(platform, sent):
    with pytest.raises(DeviceError, match="none"):
        in_one_form(platform, sent)


@pytest.mark.parametrize(
    ("platform", "sent", "sentence"),
    [
        ("apns", "{length = 32, bytes = 0x0f1e2d3c 4b5a6978 ... 01234567 89abcdef }", "without its middle"),
        ("apns", f"{{length = 32, bytes = 0x{HEX[:40]}}}", "without its middle"),
        ("apns", HEX[:-1], "64 to 200 hexadecimal digits"),
        ("apns", HEX[:40], "64 to 200 hexadecimal digits"),
        ("apns", HEX + HEX[:1], "64 to 200 hexadecimal digits"),
        ("apns", "g" * 64, "64 to 200 hexadecimal digits"),
        ("apns", FCM, "64 to 200 hexadecimal digits"),
        ("apns", "ab" * 101, "64 to 200 hexadecimal digits"),
        ("fcm", HEX, "platform apns"),
        ("fcm", f"<{IN_EIGHTS}>", "blanks"),
        ("fcm", f'{{"token":"{FCM}"}}', "brackets"),
        ("fcm", f"{FCM} {FCM}", "blanks"),
        ("fcm", f"{FCM}\n{FCM}", "printable"),
        ("console", "my console", "blanks"),
        ("fcm", "토큰", "ASCII"),
        ("fcm", "x" * 2049, "2048"),
    ],
)
def test_what_is_no_token_is_refused_with_a_sentence_that_does_not_repeat_it(platform, sent, sentence):
    with pytest.raises(DeviceError, match=sentence) as refused:
        in_one_form(platform, sent)
    assert sent not in str(refused.value)


@pytest.mark.parametrize(("platform", "sent"), [("fcm", FCM), ("console", "me"), ("kakao", "01-23+45"), ("fcm", "t-1")])
def test_other_tokens_stay_as_they_are(platform, sent):
    assert in_one_form(platform, f" {sent} ") == sent
