import json
from datetime import UTC, datetime
from typing import Any

import pytest

from spiders.params import FeedParams
from spiders.reading.feed_document import BrokenFeedError, FeedDocument, parse_feed
from spiders.reading.feed_text import NotAFeedError

NOW = datetime(2024, 3, 10, 6, tzinfo=UTC)
URL = "http://a.example/blog/feed"


def read(feed: str | bytes, content_type: str = "", **params: Any) -> FeedDocument:
    body = feed.encode() if isinstance(feed, str) else feed
    return parse_feed(body, URL, FeedParams.from_mapping({"url": URL, **params}), NOW, content_type)


def rss(*items: str, head: str = '<?xml version="1.0"?>') -> str:
    inner = "".join(f"<item>{item}</item>" for item in items)
    return f'{head}<rss version="2.0"><channel><title>t</title><link>http://a.example/</link>{inner}</channel></rss>'


def atom(*entries: str, attributes: str = "") -> str:
    inner = "".join(f"<entry>{entry}</entry>" for entry in entries)
    return f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}><title>t</title>{inner}</feed>'


def ids(document: FeedDocument) -> list[str]:
    return [post.external_id for post in document.posts]


def titles(document: FeedDocument) -> list[str]:
    return [post.title for post in document.posts]


def test_an_rss_entry_becomes_a_post() -> None:
    document = read(
        rss(
            "<title>One &amp; two</title><link>/p/1</link><guid isPermaLink='false'>tag:1</guid><author>me</author>"
            "<pubDate>Fri, 01 Mar 2024 10:00:00 +0900</pubDate>"
            "<description>&lt;p&gt;Hello &lt;b&gt;you&lt;/b&gt;</description>"
        )
    )
    post = document.posts[0]
    assert (post.external_id, post.url, post.title) == ("tag:1", "http://a.example/p/1", "One & two")
    assert (post.body, post.author) == ("Hello you", "me")
    assert post.published_at == datetime(2024, 3, 1, 1, tzinfo=UTC)
    assert (document.version, document.rows) == ("rss20", 1)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("<title>a</title><link>http://a.example/1</link><guid>http://a.example/?p=1</guid>", "a.example/?p=1"),
        ("<title>a</title><link>https://www.a.example/1?utm_source=x</link>", "a.example/1"),
        ("<title>a</title><link>http://a.example/1</link><guid></guid>", "a.example/1"),
        ("<title>a</title><link>http://a.example/1</link><guid>http://a.example/</guid>", "a.example/1"),
    ],
)
def test_the_guid_identifies_an_entry_and_without_one_the_link(item: str, expected: str) -> None:
    assert ids(read(rss(item))) == [expected]


def test_an_entry_without_guid_and_link_is_identified_by_what_it_says() -> None:
    one, other = (
        rss("<title>a</title><description>x</description>"),
        rss("<title>a</title><description>y</description>"),
    )
    assert ids(read(one)) == ids(read(one))
    assert ids(read(one)) != ids(read(other))
    assert read(one).posts[0].url == "http://a.example/"


def test_entries_that_all_link_to_the_front_page_are_told_apart() -> None:
    document = read(rss(*(f"<title>{n}</title><link>http://a.example/</link>" for n in "abc")))
    assert len(set(ids(document))) == 3


@pytest.mark.parametrize(
    ("guid", "opened"),
    [
        ("<guid>notice-2026-118</guid>", "http://a.example/"),
        ("<guid>urn:board:2026-11-27-room-draw</guid>", "http://a.example/"),
        ("<guid>tag:a.example,2026:7</guid>", "http://a.example/"),
        ("<guid>7731</guid>", "http://a.example/"),
        ("<guid isPermaLink='True'>notice 7</guid>", "http://a.example/"),
        ("<guid isPermaLink='false'>http://a.example/p/9</guid>", "http://a.example/"),
        ("<guid>http://a.example/p/9</guid>", "http://a.example/p/9"),
        ("<guid>/p/9</guid>", "http://a.example/p/9"),
        ("<link>urn:x:7</link><guid>7</guid>", "http://a.example/"),
        ("<link></link><guid>n</guid><comments>http://a.example/c/9</comments>", "http://a.example/c/9"),
    ],
)
def test_an_entry_without_a_link_opens_the_feeds_own_page(guid: str, opened: str) -> None:
    post = read(rss(f"<title>a</title>{guid}")).posts[0]
    assert post.url == opened
    # Which post it is does not depend on that.
    assert post.external_id != read(rss("<title>a</title><guid>other</guid>")).posts[0].external_id


def test_a_feed_that_names_no_page_is_opened_itself() -> None:
    assert read(atom("<title>a</title><id>tag:1</id>")).posts[0].url == URL
    feed = (
        '{"version": "https://jsonfeed.org/version/1", "home_page_url": "/home", "items": [{"id": "7", "title": "a"}]}'
    )
    assert read(feed).posts[0].url == "http://a.example/home"


ALTERNATES = {
    "one": ('<link href="/x"/>', "/x"),
    "the feed's language first": (
        '<link rel="alternate" hreflang="ko" href="/ko"/><link rel="alternate" hreflang="en" href="/en"/>',
        "/ko",
    ),
    "the feed's language last": (
        '<link rel="alternate" hreflang="en-US" href="/en"/><link rel="alternate" hreflang="ko-KR" href="/ko"/>',
        "/ko",
    ),
    "neither": (
        '<link rel="alternate" hreflang="en" href="/en"/><link rel="alternate" hreflang="de" href="/de"/>',
        "/en",
    ),
    "JSON first": (
        '<link rel="alternate" type="application/json" href="/x.json"/>'
        '<link rel="alternate" type="text/html" href="/x"/>',
        "/x",
    ),
    "PDF last": (
        '<link rel="alternate" type="text/html" href="/x"/>'
        '<link rel="alternate" type="application/pdf" href="/x.pdf"/>',
        "/x",
    ),
    "an enclosure, replies and itself": (
        '<link rel="enclosure" href="/x.mp3"/><link rel="replies" href="/c"/>'
        '<link rel="self" href="/s"/><link href="/x"/>',
        "/x",
    ),
    "itself alone": ('<link rel="self" href="/api/4"/><link rel="related" href="/other"/>', "/home"),
    "an editor alone": ('<link rel="edit" href="/edit/5"/>', "/home"),
}


@pytest.mark.parametrize(("links", "opened"), ALTERNATES.values(), ids=ALTERNATES)
def test_of_several_links_the_page_in_the_feeds_language_is_opened(links: str, opened: str) -> None:
    entry = f"<title>a</title><id>tag:1</id>{links}"
    feed = atom(entry, attributes='xml:lang="ko"').replace("<entry>", '<link href="/home"/><entry>')
    assert read(feed).posts[0].url == f"http://a.example{opened}"


@pytest.mark.parametrize(
    ("item", "title"),
    [
        ("<title>own</title><dc:title>other</dc:title>", "own"),
        ("<dc:title>other</dc:title><title>own</title>", "own"),
        ("<title>own</title><media:title>other</media:title>", "own"),
        ("<media:group><media:title>other</media:title></media:group><title>own</title>", "own"),
        ("<image><title>other</title><link>/i</link></image><title>own</title>", "own"),
        ("<title>own</title><source url='/s'><title>other</title></source>", "own"),
        ("<dc:title>own</dc:title>", "own"),
        ("<title><![CDATA[a <dc:title>]]></title><dc:title>other</dc:title>", "a <dc:title>"),
    ],
)
def test_an_entrys_own_title_is_its_title(item: str, title: str) -> None:
    feed = rss(f"{item}<link>/1</link>", "<title>next</title><link>/2</link>").replace(
        '<rss version="2.0">',
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/">',
    )
    assert titles(read(feed)) == [title, "next"]


def test_a_readers_link_does_not_carry_the_crawlers_session() -> None:
    items = [f"<title>{n}</title><link>/v;jsessionid=AB{n}?id={n}&amp;PHPSESSID=x1</link>" for n in range(3)]
    assert [post.url for post in read(rss(*items)).posts] == [f"http://a.example/v?id={n}" for n in range(3)]


EMPTY = {
    "rss": rss(),
    "rss without a head": '<rss version="2.0"><channel></channel></rss>',
    "rss with an empty channel": '<rss version="2.0"><channel/></rss>',
    "atom": atom(),
    "atom alone": '<feed xmlns="http://www.w3.org/2005/Atom"/>',
    "rdf": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
    '<channel rdf:about="x"><title>t</title></channel></rdf:RDF>',
    "json": '{"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": []}',
    "json without items": '{"version": "https://jsonfeed.org/version/1.1", "title": "t"}',
}


@pytest.mark.parametrize("feed", EMPTY.values(), ids=EMPTY)
def test_an_empty_feed_is_a_valid_feed(feed: str) -> None:
    document = read(feed)
    assert (document.posts, document.rows) == ((), 0)


def test_an_emoji_in_two_references_is_read_in_every_part_of_a_feed() -> None:
    items = ["a &#55357;&#56960;", "<![CDATA[b &#55356;&#57235;]]>", "&amp;#xD83D;&amp;#xDE80; c", "d &#55357; e"]
    read_titles = titles(read(rss(*(f"<title>{title}</title><link>/{n}</link>" for n, title in enumerate(items)))))
    assert read_titles == ["a 🚀", "b 🎓", "🚀 c", "d e"]


def test_a_repeated_guid_with_the_same_link_is_one_post() -> None:
    item = "<title>a</title><link>http://a.example/1</link><guid>g</guid>"
    document = read(rss(item, item))
    assert (len(document.posts), document.rows, document.skipped) == (1, 2, (("repeats an earlier entry", 1),))


def test_a_guid_that_means_nothing_does_not_hide_new_posts_nor_rename_old_ones() -> None:
    def item(number: int) -> str:
        return f"<title>{number}</title><link>http://a.example/{number}</link><guid>same</guid>"

    first, second, third = read(rss(item(1))), read(rss(item(2), item(1))), read(rss(item(3), item(2), item(1)))
    assert ids(first)[0] in ids(second)
    assert set(ids(second)) < set(ids(third))
    assert len(set(ids(third))) == 3


def test_a_guid_and_a_link_that_all_entries_share_do_not_hide_new_posts() -> None:
    def item(number: int) -> str:
        date = f"<pubDate>{number} Mar 2024</pubDate>"
        return f"<title>{number}</title><link>http://a.example/all</link><guid>same</guid>{date}"

    before = read(rss(item(2), item(1)))
    after = read(rss(item(3), item(2), item(1)))
    assert (len(after.posts), len(set(ids(after)) - set(ids(before)))) == (3, 1)


def test_an_edited_title_is_the_same_post() -> None:
    link = "<link>http://a.example/1</link>"
    assert ids(read(rss("<title>a</title>" + link))) == ids(read(rss("<title>b</title>" + link)))


def test_the_id_may_be_chosen() -> None:
    item = (
        "<title>a</title><link>http://b.example/x</link><guid>http://a.example/1#2</guid>"
        "<comments>http://a.example/item?id=5</comments>"
    )
    assert ids(read(rss(item), id="link")) == ["b.example/x"]
    assert ids(read(rss(item), id="comments")) == ["a.example/item?id=5"]
    assert ids(read(rss(item), id_pattern=r"item\?id=(\d+)")) == ["id:5"]
    assert read(rss(item), link="comments").posts[0].url == "http://a.example/item?id=5"


def test_the_original_link_of_a_redirector_identifies_an_entry() -> None:
    item = (
        "<title>a</title><link>http://feeds.example/~r/x/~3/{}/</link>"
        '<f:origLink xmlns:f="http://rssnamespace.org/feedburner/ext/1.0">http://a.example/1</f:origLink>'
    )
    assert ids(read(rss(item.format("AAA")))) == ids(read(rss(item.format("BBB")))) == ["a.example/1"]


def test_relative_links_are_resolved_against_xml_base_and_the_address() -> None:
    entry = '<id>x{}</id><title>a</title><link href="p/1"/>'
    assert read(atom(entry)).posts[0].url == "http://a.example/blog/p/1"
    based = read(atom(entry, attributes='xml:base="http://b.example/c/"'))
    assert based.posts[0].url == "http://b.example/c/p/1"


def test_an_atom_title_says_whether_it_is_markup() -> None:
    entry = '<id>1</id><title type="{}">The &lt;b&gt; tag</title>'
    assert titles(read(atom(entry.format("text")))) == ["The <b> tag"]
    assert titles(read(atom(entry.format("html")))) == ["The tag"]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("<![CDATA[A & B]]>", "A & B"),
        ("A &amp;amp; B", "A & B"),
        ("<![CDATA[1930ft<sup>2</sup> &#x0024;4]]>", "1930ft2 $4"),
        ("caf&eacute;&nbsp;x", "café x"),
        ("A & B", "A & B"),
        ("A &unknown; B", "A &unknown; B"),
        ("bell&#7; ok", "bell ok"),
        ("bell\x07 ok", "bell ok"),
        ("", "Body words"),
    ],
)
def test_a_title_is_read_although_the_xml_is_not_well_formed(title: str, expected: str) -> None:
    document = read(rss(f"<title>{title}</title><link>http://a.example/1</link><description>Body words</description>"))
    assert titles(document) == [expected]


@pytest.mark.parametrize(
    "date",
    [
        "<pubDate>Fri, 01 Mar 2024 10:00:00+0900</pubDate>",
        "<pubDate>ven, 1 mar 2024 02:00:00 +0100</pubDate>",
        "<dc:date xmlns:dc='http://purl.org/dc/elements/1.1/'>2024-03-01T01:00:00Z</dc:date>",
        "<pubDate>2024-03-01 10:00:00</pubDate>",
        "<pubDate>2024년 3월 1일 10:00</pubDate>",
    ],
)
def test_a_date_in_the_wrong_form_is_read(date: str) -> None:
    document = read(rss(f"<title>a</title><link>http://a.example/1</link>{date}"), timezone="Asia/Seoul")
    assert document.posts[0].published_at == datetime(2024, 3, 1, 1, tzinfo=UTC)


def test_a_date_in_the_future_or_of_no_sense_is_none() -> None:
    items = [f"<title>{d}</title><pubDate>{d}</pubDate>" for d in ("Fri, 01 Mar 2044 10:00:00 GMT", "soon", "0")]
    assert [post.published_at for post in read(rss(*items)).posts] == [None, None, None]


def test_illegally_nested_items_are_not_posts() -> None:
    document = read(rss(*(f"<title>{n}</title><link>http://a.example/{n}</link><item />" for n in "ab")))
    assert (titles(document), document.rows) == (["a", "b"], 2)


def test_an_empty_entry_is_no_post() -> None:
    document = read(rss("<title></title>", "<title>a</title><link>http://a.example/1</link>"))
    assert (titles(document), document.skipped) == (["a"], (("empty entry", 1),))


@pytest.mark.parametrize("encoding", ["euc-kr", "cp949", "utf-8", "utf-16"])
def test_a_feed_is_read_in_what_it_really_is(encoding: str) -> None:
    head = '<?xml version="1.0" encoding="euc-kr"?>' if "16" not in encoding else '<?xml version="1.0"?>'
    text = "건국대학교 공지" if encoding == "euc-kr" else "똠방각하 공지"
    document = read(rss(f"<title>{text}</title><link>http://a.example/1</link>", head=head).encode(encoding))
    assert titles(document) == [text]


def test_warnings_in_front_of_a_feed_do_not_hide_it() -> None:
    text = "<br />\n<b>Warning</b>: mysql_connect() in /x.php\n" + rss(
        "<title>a</title><link>http://a.example/1</link>"
    )
    assert titles(read(text)) == ["a"]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("<!DOCTYPE html><html><body><p>x</p></body></html>", "an HTML page, not with a feed"),
        ("<html><head><link rel='alternate' type='application/rss+xml' href='/f'></head></html>", "an HTML page"),
        ('<?xml version="1.0"?><urlset><url/></urlset>', "XML whose root is <urlset>"),
        ("", "the answer is empty"),
        ("  \n", "the answer is empty"),
        ("Too many requests", "neither RSS, Atom nor JSON Feed"),
        ('{"error": "gone"}', "JSON, but not with a JSON Feed"),
        ('{"error": ', "JSON that is damaged"),
        ("\x89PNG\r\n", "neither RSS"),
    ],
)
def test_what_is_no_feed_is_said_to_be_none(body: str, sentence: str) -> None:
    with pytest.raises(NotAFeedError, match=sentence):
        read(body)


def test_a_feed_without_entries_is_a_feed() -> None:
    assert read(rss()).posts == ()
    assert read(atom()).posts == ()


FULL = rss(*(f"<title>t{n}</title><link>http://a.example/{n}</link><guid>g{n}</guid>" for n in range(5)))


@pytest.mark.parametrize("where", range(40, len(FULL) - len("</channel></rss>") + 1, 7))
def test_a_feed_cut_anywhere_is_broken_and_keeps_its_complete_entries(where: int) -> None:
    cut = FULL[:where]
    if "<rss" not in cut or ">" not in cut[cut.index("<rss") :]:
        return
    with pytest.raises(BrokenFeedError, match="broke off") as broken:
        read(cut)
    assert ids(broken.value.document) == [f"g{n}" for n in range(cut.count("</item>"))]


def test_a_feed_cut_inside_cdata_that_quotes_the_end_is_broken() -> None:
    cut = rss("<title>a</title><link>http://a.example/1</link>").split("</channel>")[0]
    with pytest.raises(BrokenFeedError) as broken:
        read(cut + "<item><title><![CDATA[ </item></channel></rss> ")
    assert len(broken.value.posts) == 1


def test_an_atom_feed_and_an_rdf_feed_cut_are_broken() -> None:
    with pytest.raises(BrokenFeedError) as broken:
        read(atom("<id>1</id><title>a</title>", "<id>2</id><title>b</title>").removesuffix("</entry></feed>"))
    assert titles(broken.value.document) == ["a"]


def test_a_missing_last_tag_alone_is_no_break() -> None:
    assert titles(read(FULL.removesuffix("</rss>")))[0] == "t0"


def test_skip_and_strip_by_pattern() -> None:
    items = [f"<title>[ad] {n}</title><link>http://a.example/{n}/1</link>" for n in "xy"]
    assert titles(read(rss(*items), skip=["link:/x/"], strip=[r"re:^\[ad\]"])) == ["y"]
    assert titles(read(rss(*items), skip=[r"title:x$"])) == ["[ad] y"]


def json_feed(*items: Any, **extra: Any) -> str:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": list(items), **extra})


def test_a_json_feed_is_read() -> None:
    document = read(
        json_feed(
            {
                "id": 5,
                "url": "/p/5",
                "title": "A &amp; B",
                "content_html": "<p>x</p>",
                "date_published": "2024-03-01T01:00:00Z",
                "authors": [{"name": "me"}, {"name": "you"}],
            },
            {"id": "6", "external_url": "http://b.example/", "content_text": "a note"},
            "nonsense",
            None,
            {"id": ["x"], "title": {"a": 1}},
            next_url="/feed?page=2",
        )
    )
    first, second = document.posts
    assert (first.external_id, first.url, first.title, first.body) == ("5", "http://a.example/p/5", "A & B", "x")
    assert (first.author, first.published_at) == ("me, you", datetime(2024, 3, 1, 1, tzinfo=UTC))
    assert second.title == "a note"
    assert document.next_url == "http://a.example/feed?page=2"


def test_a_json_feed_cut_in_the_middle_is_broken_and_keeps_its_complete_items() -> None:
    text = json_feed(*({"id": str(n), "url": f"http://a.example/{n}", "title": "t"} for n in range(3)))
    with pytest.raises(BrokenFeedError) as broken:
        read(text[:-30])
    assert ids(broken.value.document) == ["0", "1"]


def test_entities_of_a_hostile_doctype_are_not_expanded() -> None:
    bomb = '<!DOCTYPE rss [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>'
    document = read(rss("<title>&b; &c;</title><link>http://a.example/1</link>", head=bomb))
    assert titles(document) == ["&b; &c;"]


@pytest.mark.parametrize("name", ["category", "link", "source", "author", "enclosure", "content", "image", "channel"])
@pytest.mark.parametrize("place", ["{stray}<item>{item}</item>", "<item>{item}{stray}</item>"])
def test_the_end_of_an_element_that_never_began_costs_nothing(name: str, place: str) -> None:
    item = "<title>One</title><link>http://a.example/1</link>"
    inside = place.format(stray=f"&nbsp;x</{name}>", item=item)
    assert [post.title for post in read(f"<rss><channel>{inside}</channel></rss>").posts] == ["One"]
