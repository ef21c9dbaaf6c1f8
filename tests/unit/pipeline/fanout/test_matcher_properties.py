"""Generated phrases and posts: the matcher against one that is slow and simple."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.fanout.matcher import Matcher, PhraseError, normalise, parse_phrase
from tests.unit.pipeline.fanout import slow_matching
from tests.unit.pipeline.fanout.test_matcher import found

ALPHABET = (
    "abAB1 2 .+#-_|'\"“ 가각국장학금 ㅋ\u1100\u1161\u11a8 かガｶﾞー 求人々 ไทย "
    "🎉❤\ufe0f👨\u200d👩 e\u0301\u030c ß ﬁ İıI Ａｂ　\u200b\u00ad Жя ΣΣς ½ ㈜"
)
words = st.text(alphabet=ALPHABET, min_size=1, max_size=6)
texts = st.lists(words, max_size=8).map(" ".join)


@settings(max_examples=400)
@given(
    raws=st.lists(st.tuples(st.one_of(words, texts), st.sampled_from([None, "word", "substring"])), max_size=12),
    title=texts,
    body=texts,
    data=st.data(),
)
def test_the_matcher_finds_what_the_slow_one_finds(raws, title, body, data):
    # Given phrases, half of them cut out of the post so that there is something to find
    pieces = data.draw(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=8))
    raws += [(f"{title} {body}"[start : start + length], None) for start, length in pieces]
    phrases = set()
    for raw, kind in raws:
        try:
            phrases.add(parse_phrase(raw, kind))
        except PhraseError:
            continue
    rows = [(number, phrase.text, phrase.kind) for number, phrase in enumerate(sorted(phrases, key=repr), 1)]
    # And compounds, which the post may write with spaces
    for run in data.draw(st.lists(st.text("가국장학금", min_size=4, max_size=7), max_size=3)):
        phrases.add(parse_phrase(data.draw(st.sampled_from([run, f'"{run}"']))))
        cuts = sorted(data.draw(st.sets(st.integers(1, len(run) - 1), max_size=2)))
        body += " " + " ".join(run[a:b] for a, b in pairwise((0, *cuts, len(run))))
    # When some are known from the start and the others are added
    cut = data.draw(st.integers(0, len(rows)))
    hits = Matcher(rows[:cut]).extended(rows[cut:]).find(title, body)
    # Then both matchers agree, and no id comes twice
    head, tail = normalise(title), normalise(body)
    assert sorted(hits.title_ids) == [n for n, text, kind in rows if slow_matching.matches(text, kind, head)]
    assert sorted(hits.all_ids) == [n for n, text, kind in rows if slow_matching.matches(text, kind, head, tail)]


@given(raw=st.one_of(words, texts, st.text()), kind=st.sampled_from([None, "word", "substring"]))
def test_a_canonical_phrase_is_its_own_canonical_form(raw, kind):
    try:
        phrase = parse_phrase(raw, kind)
    except PhraseError:
        return
    assert parse_phrase(phrase.text, phrase.kind) == phrase
    assert found(raw, phrase.text.replace('"', " "), kind=kind)
