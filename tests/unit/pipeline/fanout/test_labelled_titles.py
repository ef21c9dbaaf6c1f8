"""How well phrases find what people mean: 600 titles of campus, job and forum pages, judged by meaning.

A line of a TSV is a phrase as a person would type it, and the numbers of the lines of titles.txt that mean it: those
that name the thing, in Korean or in English, by any of its established names. They were judged before the matcher saw
them, and what it cannot know stays a miss. hard.tsv has words of two meanings and plurals, not among the sixty.
`pytest -s` prints the figures and each disagreement.
"""

from pathlib import Path

import pytest

from pipeline.fanout.matcher import Matcher, parse_phrase
from pipeline.fanout.synonyms import NONE, Synonyms, read_synonyms

FOLDER = Path(__file__).parents[3] / "fixtures" / "titles"
TITLES = dict(enumerate((FOLDER / "titles.txt").read_text("utf-8").splitlines(), 1))


def judged(name: str) -> dict[str, set[int]]:
    lines = (line.split("\t") for line in (FOLDER / name).read_text("utf-8").splitlines())
    return {phrase: {int(number) for number in numbers.split(",")} for phrase, numbers in lines}


def shipped() -> Synonyms:
    """The set that is shipped in comments."""
    file = Path(__file__).parents[4] / "deploy" / "synonyms.toml"
    return read_synonyms(file.read_text("utf-8").replace("  # [", "  ["))


def precision_and_recall(meant: dict[str, set[int]], synonyms: Synonyms) -> tuple[float, float]:
    phrases = dict(enumerate(meant))
    matcher = Matcher([(key, *_text_and_kind(phrase)) for key, phrase in phrases.items()], synonyms)
    hits = {number: matcher.find(title).title_ids for number, title in TITLES.items()}
    found = {phrase: {number for number, ids in hits.items() if key in ids} for key, phrase in phrases.items()}
    for phrase, numbers in meant.items():
        for sign, others in (("-", numbers - found[phrase]), ("+", found[phrase] - numbers)):
            for number in sorted(others):
                print(sign, phrase, number, TITLES[number], sep="\t")
    right = sum(len(found[phrase] & numbers) for phrase, numbers in meant.items())
    precision = right / sum(map(len, found.values()))
    recall = right / sum(map(len, meant.values()))
    print(f"precision {precision:.3f}, recall {recall:.3f}")
    return precision, recall


def _text_and_kind(raw: str) -> tuple[str, str]:
    phrase = parse_phrase(raw)
    return phrase.text, phrase.kind


def test_the_set_is_whole():
    assert (len(TITLES), len(judged("phrases.tsv"))) == (600, 60)
    assert len(set(TITLES.values())) == 600


@pytest.mark.parametrize(
    ("name", "synonyms", "precision", "recall"),
    [("phrases.tsv", NONE, 0.988, 0.726), ("phrases.tsv", shipped(), 0.99, 0.97), ("hard.tsv", shipped(), 0.87, 0.65)],
    ids=["as typed", "with synonyms", "hard ones"],
)
def test_phrases_find_what_is_meant(name, synonyms, precision, recall):
    found = precision_and_recall(judged(name), synonyms)
    assert found[0] >= precision
    assert found[1] >= recall
