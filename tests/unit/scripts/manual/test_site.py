"""The documents as a web site: every page is there, and every link leads somewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest

from pipeline.setting_layers import PROJECT_ROOT
from scripts.cli import main
from scripts.groups import leaves
from scripts.manual import site
from scripts.manual.site import reference


class Seen(HTMLParser):
    """What a browser would find of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.language = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.links += [values[name] for name in ("href", "src") if name in values]
        self.ids |= {values["id"]} if "id" in values else set()
        self.language = values.get("lang", self.language)


def test_all_documents_are_on_the_site_and_all_links_lead_somewhere(tmp_path):
    folder = tmp_path / "site"
    count = site.build(PROJECT_ROOT, folder)
    seen = {path: Seen(path) for path in folder.rglob("*.html")}
    assert len(seen) == count
    for path, page in seen.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert there.is_file(), f"{path}: {link}"
            assert not parts.fragment or unquote(parts.fragment) in seen[there].ids, f"{path}: {link}"
    assert {path.name for path, page in seen.items() if page.language == "ko"} == {"README.ko.html", "tutorial.html"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a](docs/b.md)", None),
        ("[a](docs/b.md#한글-제목)", None),
        ("[a](docs/b.md#twice-1)", None),
        ("[a](#readme)", None),
        ("[a](https://nowhere.example/x.md#y)", None),
        ("[a](deploy)", None),
        ("[a](Procfile)", None),
        ("[a](docs/c.md)", "README.md: docs/c.md"),
        ("[a](docs/b.md#other)", "README.md: docs/b.md#other (there is no such heading)"),
        ("[a](docs/b.md#twice-2)", "no such heading"),
        ('<img src="docs/x.png">', "README.md: docs/x.png"),
        ("[a](/docs/b.md)", "README.md: /docs/b.md"),
    ],
)
def test_a_dead_link_stops_the_site_and_is_named(tmp_path, monkeypatch, text, problem):
    monkeypatch.setattr(site, "NAVIGATION", {"All": ("README.md", "docs/b.md")})
    for name, content in {
        "README.md": f"# Readme\n\n{text}\n",
        "docs/b.md": "# B\n\n## 한글 제목\n\n## Twice\n\n## Twice\n",
        "deploy/x": "",
        "Procfile": "web: x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    if problem is None:
        assert site.build(tmp_path, tmp_path / "site") == 2
    else:
        with pytest.raises(site.SiteError, match="lead nowhere") as error:
            site.build(tmp_path, tmp_path / "site")
        assert problem in str(error.value)
        assert not (tmp_path / "site").exists()


def test_a_document_that_no_heading_has_stops_the_site(tmp_path, monkeypatch):
    monkeypatch.setattr(site, "NAVIGATION", {"All": ()})
    (tmp_path / "NEW.md").write_text("# New")
    with pytest.raises(site.SiteError, match=r"NEW\.md"):
        site.build(tmp_path, tmp_path / "site")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [("When, and how?", "when-and-how"), ("게시판별 설정", "게시판별-설정"), ("`sites try` & co", "sites-try--co")],
)
def test_an_anchor_is_the_one_of_github(heading, anchor):
    page = site.read("docs/a.md", f"## {heading}")
    assert page.ids == {anchor}


def test_the_reference_has_every_command_and_option():
    text = reference(main)
    for path, command in leaves(main):
        assert f"\n## crawlpush {path}\n" in text
        for each in command.params:
            if isinstance(each, click.Option) and not each.hidden:
                assert each.opts[0] in text
    # An angle bracket or a star of a sentence is not HTML's, and not Markdown's.
    assert site.read("commands.md", text).body.xpath("//em | //strong") == []
