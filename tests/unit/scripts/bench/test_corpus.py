from collections import Counter
from itertools import pairwise

from pipeline.fanout.phrases import parse_phrase
from scripts.bench import corpus


def test_the_same_seed_makes_the_same_corpus_and_another_one_another():
    wanted = corpus.phrases(300, seed=1)
    assert wanted == corpus.phrases(300, seed=1)
    assert wanted != corpus.phrases(300, seed=2)
    assert list(corpus.posts(3, wanted, seed=1)) == list(corpus.posts(3, wanted, seed=1))
    assert list(corpus.subscriptions(9, 3, 300, seed=1)) == list(corpus.subscriptions(9, 3, 300, seed=1))


def test_phrases_are_distinct_canonical_and_of_every_sort():
    wanted = corpus.phrases(2_000, seed=1)
    assert len(set(wanted)) == 2_000
    assert all(parse_phrase(phrase.text, phrase.kind) == phrase for phrase in wanted)
    kinds = Counter(phrase.kind for phrase in wanted)
    assert min(kinds["word"], kinds["substring"]) > 600
    assert any('"' in phrase.text for phrase in wanted)


def test_a_longer_list_of_phrases_begins_with_the_shorter_one():
    assert corpus.phrases(200, seed=1)[:50] == corpus.phrases(50, seed=1)


def test_posts_have_a_title_and_a_body_of_five_hundred_characters():
    for post in corpus.posts(5, corpus.phrases(100, seed=1), seed=1):
        assert post.title
        assert len(post.body) == 500


def test_each_user_wants_different_phrases_and_popular_ones_are_wanted_more():
    pairs = list(corpus.subscriptions(500, 10, 1_000, seed=1))
    assert len(pairs) == len(set(pairs)) == 5_000
    wanted = Counter(phrase for _, phrase in pairs)
    assert wanted[0] > 5 * wanted[100]
    assert max(wanted) < 1_000


def test_nobody_can_want_more_phrases_than_there_are():
    assert sorted(corpus.subscriptions(1, 10, 3, seed=1)) == [(0, 0), (0, 1), (0, 2)]


def test_popularity_falls_with_the_rank():
    weights = [later - earlier for earlier, later in pairwise([0.0, *corpus.popularity(5)])]
    assert weights == sorted(weights, reverse=True)
