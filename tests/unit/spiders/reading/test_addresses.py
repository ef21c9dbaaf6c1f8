import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiders.reading.addresses import PLAIN, Scheme, needless_parameters, numbered_form, same_title, telling_noise

HOST = "http://a.example"


def numbered(path: str) -> list[str]:
    """Addresses of five posts, whose numbers and titles go into a path."""
    words = ("국가장학금", "library-hours", "spring-job-fair", "c-sharp-intern", "menu-of-today")
    return [HOST + path.format(n=1252460 + 7 * number, slug=word) for number, word in enumerate(words)]


@pytest.mark.parametrize(
    "path",
    [
        "/project/{n}-{slug}",
        "/news/{slug}-{n}",
        "/forum/{slug}-t{n}.html",
        "/t{n}-{slug}.html",
        "/t/{slug}/{n}",
        "/questions/{n}/{slug}",
        "/threads/{slug}.{n}/",
    ],
)
def test_a_title_beside_a_posts_number_is_no_part_of_its_identity(path: str) -> None:
    scheme = Scheme(numbered=numbered_form(numbered(path)))
    before = HOST + path.format(n=1252460, slug="국가장학금")
    after = HOST + path.format(n=1252460, slug="국가장학금-정정")
    assert scheme.identity(before) == scheme.identity(after)
    assert scheme.identity(before) != scheme.identity(HOST + path.format(n=1252461, slug="국가장학금"))


@pytest.mark.parametrize(
    "urls",
    [
        # Boards beside the number, not titles.
        [f"{HOST}/free-board/{number}" for number in range(1000, 1010)],
        # One number for several posts: a day.
        [f"{HOST}/20261128-{word}" for word in ("first", "second", "third", "fourth")],
        [f"{HOST}/2026-{word}" for word in ("first", "second", "third", "fourth")],
        [f"{HOST}/777-{word}" for word in ("first", "second", "third", "fourth")],
        # Most posts have no number.
        [f"{HOST}/windows-10-build-19045", *(f"{HOST}/about-{word}" for word in ("cats", "dogs", "birds", "fish"))],
        [f"{HOST}/{number}.html" for number in range(1000, 1010)],
        [f"{HOST}/p/{number}-a-title" for number in (1000, 1001)],
    ],
)
def test_a_path_keeps_what_does_not_look_like_a_title_beside_a_number(urls: list[str]) -> None:
    assert numbered_form(urls) == ""


@pytest.mark.parametrize(
    ("urls", "kept"),
    [
        ([f"{HOST}/view.do?searchSeq={n}&commonMenuNo=1" for n in (17030, 17031)], {"searchseq"}),
        ([f"{HOST}/view.do?sn=K{n}&menuNo=1" for n in (1, 2)], {"sn"}),
        ([f"{HOST}/news.html#post-{n}" for n in range(8)], {"#"}),
        # Of two the one that does not count the rows.
        ([f"{HOST}/view.do?order={n}&searchSeq={90 - n}&m=1" for n in (1, 2, 3)], {"searchseq"}),
        ([f"{HOST}/view.do?hash={n * 16:032x}&m=1" for n in (1, 2, 3)], {"hash"}),
        # No one is enough.
        ([f"{HOST}/view.do?ss={a}&sc={b}&m=1" for a, b in ((1, 1), (1, 2), (2, 1))], {"ss", "sc"}),
        ([f"{HOST}/view.do?m=1"] * 2, set()),
    ],
)
def test_noise_that_alone_tells_posts_apart_is_kept(urls: list[str], kept: set[str]) -> None:
    assert telling_noise([urls], PLAIN) == kept
    if kept:
        assert len({Scheme(kept=frozenset(kept)).identity(url) for url in urls}) == len(set(urls))


def test_what_a_site_ignores_is_never_kept() -> None:
    urls = [f"{HOST}/view.do?searchSeq={n}&m=1" for n in (1, 2)]
    assert telling_noise([urls], PLAIN, ["searchSeq"]) == frozenset()


NAMES = st.sampled_from(["searchSeq", "sn", "page", "utm_id", "no", "s", "x", "order"])
QUERIES = st.lists(st.tuples(NAMES, st.integers(0, 3)), max_size=4, unique_by=lambda pair: pair[0])


@given(st.lists(QUERIES, min_size=2, max_size=8))
def test_addresses_that_differ_never_stay_one_when_their_noise_is_kept(queries: list[list[tuple[str, int]]]) -> None:
    urls = [f"{HOST}/view?{'&'.join(f'{name}={value}' for name, value in query)}" for query in queries]
    groups: dict[str, list[str]] = {}
    for url in urls:
        groups.setdefault(PLAIN.identity(url), []).append(url)
    scheme = Scheme(kept=telling_noise(groups.values(), PLAIN))
    different = {frozenset(query) for query in queries}
    assert len({scheme.identity(url) for url in urls}) == len(different)


@pytest.mark.parametrize(
    ("urls", "names"),
    [
        ([f"{HOST}/job?id={90 - n * n}&jobPosition={n}" for n in range(1, 6)], ("jobPosition",)),
        ([f"{HOST}/job?id={90 - n * n}&menu=3" for n in range(5)], ("menu",)),
        # All that tells the posts apart is no noise, even where it counts up.
        ([f"{HOST}/job?id={n}" for n in range(1, 6)], ()),
        ([f"{HOST}/job?id={90 - n}&page=1" for n in range(5)], ()),
        ([f"{HOST}/job?id=4&menu=3"] * 2, ()),
    ],
)
def test_parameters_that_say_nothing_of_the_post_are_found(urls: list[str], names: tuple[str, ...]) -> None:
    assert needless_parameters(urls) == names


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("[ 일반공지 ] 졸업 안내", "졸업 안내", True),
        ("졸업 안내", "졸업  안내!", True),
        ("졸업 안내", "입학 안내", False),
    ],
)
def test_a_pinned_row_says_the_same_as_its_post_further_down(one: str, other: str, same: bool) -> None:
    assert same_title(one, other) is same
