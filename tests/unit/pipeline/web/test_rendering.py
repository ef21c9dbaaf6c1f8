"""The pages' languages: which one is chosen, and that each sentence has both."""

import re
import string

import pytest

from pipeline.web.pages.rendering import FOLDER, korean, language_of, render

SENTENCE = re.compile(r"""(?:\b_\(|\bsay\(|\bsentence=|(?<![-\w])label=)\s*(?:"([^"]+)"|'([^']+)')""")
NAMES = {"{problem}"}
"""What holds no word of a language."""


@pytest.mark.parametrize(
    ("wanted", "kept", "accepted", "language"),
    [
        (None, None, None, "en"),
        (None, None, "ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        (None, None, "fr, en;q=0.5, ko;q=0.7", "ko"),
        (None, None, "ko;q=0, en;q=0.1", "en"),
        (None, None, "ko;q=x", "en"),
        (None, None, ";;,=,ko;q", "en"),
        (None, "ko", "en", "ko"),
        ("en", "ko", "ko", "en"),
        ("../x", "<b>", "de", "en"),
    ],
)
def test_the_language_of_an_answer(wanted: str | None, kept: str | None, accepted: str | None, language: str) -> None:
    assert language_of(wanted, kept, accepted) == language


def test_each_sentence_has_its_korean_and_no_korean_is_left_over() -> None:
    texts = [path.read_text() for pattern in ("templates/*.html", "**/*.py") for path in FOLDER.glob(pattern)]
    used = {found[1] or found[2] for text in texts for found in SENTENCE.finditer(text)}
    assert used - set(korean()) - NAMES == set()
    # Some stand in tables, and are said by their name there.
    assert [each for each in korean() if not any(f'"{each}"' in text or f"'{each}'" in text for text in texts)] == []


def test_a_translation_has_the_placeholders_of_its_sentence() -> None:
    for sentence, text in korean().items():
        names, others = (
            {name for _, name, _, _ in string.Formatter().parse(each) if name} for each in (sentence, text)
        )
        assert names == others, sentence


def test_no_template_holds_what_the_policy_forbids() -> None:
    for path in (FOLDER / "templates").glob("*.html"):
        text = path.read_text()
        assert not re.search(r"\bstyle=|\bon\w+=|<style|javascript:|\|\s*safe|hx-on|hx-vals=.js", text), path.name
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text)), path.name


def test_a_lone_surrogate_is_a_question_mark() -> None:
    facts = {
        "root": "",
        "version": "0-0",
        "since": 0,
        "now": None,
        "screens": [],
        "answers": {},
        "faults": {"x": "\ud800"},
    }
    page = render("phones.html", "en", stats={"sends": 0, "phones": 0, "replaced": 0}, **facts)
    assert b"x ?" in page
