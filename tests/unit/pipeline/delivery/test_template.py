import pytest

from pipeline.delivery.template import PushTemplate, TemplateError, fill, fill_link

VALUES = {
    "title": "장학금 신청 🎓",
    "body": "금요일까지",
    "phrase": "장학",
    "site": "konkuk",
    "author": "",
    "url": "https://board.example/7?a=1&b=2",
    "post_id": "7",
}


@pytest.mark.parametrize(
    ("template", "empty", "text"),
    [
        ("{phrase} · {site} — {body}", (), "장학 · konkuk — 금요일까지"),
        ("{phrase} · {site} — {body}", ("phrase",), "konkuk — 금요일까지"),
        ("{phrase} · {site} — {body}", ("body",), "장학 · konkuk"),
        ("{phrase} · {site} — {body}", ("phrase", "body"), "konkuk"),
        ("{site} · {author} — {body}", (), "konkuk — 금요일까지"),
        ("[{site}] {title}", (), "[konkuk] 장학금 신청 🎓"),
        ("New in {site}: {title}", (), "New in konkuk: 장학금 신청 🎓"),
        ("{{{title}}}", (), "{장학금 신청 🎓}"),
        ("{author}", (), ""),
        ("fixed", (), "fixed"),
        ("", (), ""),
    ],
)
def test_a_template_is_filled_and_separates_only_what_is_there(template, empty, text):
    assert fill(template, {**VALUES, **dict.fromkeys(empty, "")}) == text


@pytest.mark.parametrize(
    ("template", "link"),
    [
        ("{url}", "https://board.example/7?a=1&b=2"),
        ("{url}#top", "https://board.example/7?a=1&b=2#top"),
        ("app://posts/{post_id}", "app://posts/7"),
        ("app://open?u={url}", "app://open?u=https%3A%2F%2Fboard.example%2F7%3Fa%3D1%26b%3D2"),
    ],
)
def test_a_link_is_filled_and_encoded(template, link):
    assert fill_link(template, VALUES) == link


def test_what_a_post_says_is_never_read_as_a_template():
    assert fill("{title}", {**VALUES, "title": "{site} {0} {x!r}"}) == "{site} {0} {x!r}"


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        ({"title": "{titel}"}, "{titel}"),
        ({"body": "{body.__class__}"}, "{body.__class__}"),
        ({"body": "{}"}, "{}"),
        ({"body": "{body!r}"}, "without"),
        ({"body": "{body:>9999999}"}, "without"),
        ({"body": "{body"}, "no template"),
        ({"title": ""}, "needs one"),
        ({"link": "/posts/{post_id}"}, "no address"),
        ({"link": "app://{title}"}, "{title}"),
        ({"image": "http://board.example/a.png"}, "https://"),
        ({"image": "{url}"}, "https://"),
        ({"sound": "a\nb"}, "printable"),
        ({"sound": 1}, "a text"),
        ({"badge": "no"}, "true or false"),
        ({"data": {"from": "x"}}, "reserved"),
        ({"data": {"x": "{y}"}}, "{y}"),
        ({"data": {"x": 1}}, "texts by name"),
        ({"colour": "red"}, "colour"),
        ({"title": "x" * 501}, "at most 500"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_by_name(column, sentence):
    with pytest.raises(TemplateError) as refused:
        PushTemplate.from_json(column)
    assert sentence in str(refused.value)


def test_the_column_keeps_what_differs_from_the_usual():
    assert PushTemplate().to_json() == {}
    column = {"sound": "", "badge": False, "data": {"kind": "{site}"}}
    assert PushTemplate.from_json(column).to_json() == column
