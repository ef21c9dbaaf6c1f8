"""The documents as a web site, made by `scripts/docs`: every page, and a reference of the commands made from click.

Markdown is read by markdown-it-py, which comes with rich: a generator of sites would bring twenty packages for what is
a template and a list of links. A link or an anchor that leads nowhere stops it, so that CI finds those.
"""

import posixpath
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import click
from lxml import html
from markdown_it import MarkdownIt

from pipeline.setting_layers import PROJECT_ROOT
from scripts.cli import main as commands
from scripts.errors import CommandError
from scripts.groups import leaves

NAVIGATION: Final[Mapping[str, Sequence[str]]] = {
    "Begin": ("README.md", "docs/tutorial.md", "docs/command-line.md", "commands.md", "docs/configuration.md"),
    "한국어": ("README.ko.md", "docs/ko/tutorial.md"),
    "Watch": ("docs/sites.md", "docs/schedules.md", "docs/phrases.md"),
    "Push": ("docs/push.md", "docs/timing.md"),
    "Build upon it": ("docs/api.md", "docs/python-api.md", "docs/architecture.md", "CONTRIBUTING.md"),
    "Operate": (
        "docs/operations.md",
        "docs/pages.md",
        "docs/observing.md",
        "docs/queues.md",
        "docs/data.md",
        "docs/security.md",
        "docs/scale.md",
        "docs/benchmarks.md",
        "CHANGELOG.md",
    ),
}
"""The headings of the site, and the pages under each. commands.md is made from the commands themselves."""
FOLDER: Final = Path("build/site")
MADE: Final = "commands.md"
_KOREAN: Final = re.compile(r"README\.ko\.md|docs/ko/")
_HEADINGS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")


class SiteError(CommandError):
    """Links of the documents that lead nowhere."""


@dataclass(kw_only=True)
class Page:
    """A document."""

    # Where its text stands, and where its page will, from the root of each.
    source: str
    target: str
    body: html.HtmlElement
    ids: set[str] = field(default_factory=set)

    @property
    def title(self) -> str:
        """Its first heading."""
        heading = self.body.find(".//h1")
        return self.source if heading is None else str(heading.text_content())


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it: a link that works there works here."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def read(source: str, text: str) -> Page:
    """A document from its Markdown, with an anchor for each heading."""
    markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    body = html.fromstring(f"<main>{markdown.render(text)}</main>")
    target = "index.html" if source == "README.md" else f"{source.removeprefix('docs/').removesuffix('.md')}.html"
    page = Page(source=source, target=target, body=body)
    for element in body.iter(*_HEADINGS):
        wanted = anchor = slug(str(element.text_content()))
        number = 0
        while anchor in page.ids:
            number += 1
            anchor = f"{wanted}-{number}"
        element.set("id", anchor)
        page.ids.add(anchor)
    page.ids |= {str(value) for value in body.xpath("//@id | //a/@name")}
    return page


def pages(root: Path) -> dict[str, Page]:
    """All documents, by where they stand. Raises SiteError for one that the navigation leaves out."""
    listed = [source for sources in NAVIGATION.values() for source in sources]
    there = {path.relative_to(root).as_posix() for path in (*root.glob("*.md"), *root.glob("docs/**/*.md"))}
    if forgotten := there - set(listed):
        raise SiteError(f"no heading of the site has {', '.join(sorted(forgotten))}: add it to NAVIGATION")
    return {
        source: read(source, reference(commands) if source == MADE else (root / source).read_text(encoding="utf-8"))
        for source in listed
    }


def build(root: Path, folder: Path) -> int:
    """Write the site into a folder, in place of what is there; returns the number of pages. Raises SiteError."""
    found = pages(root)
    files: dict[str, Path] = {}
    problems = [problem for page in found.values() for problem in _led(page, found, root, files)]
    if problems:
        raise SiteError("links that lead nowhere:\n" + "\n".join(problems))
    shutil.rmtree(folder, ignore_errors=True)
    for target, path in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / target)
    for page in found.values():
        (folder / page.target).parent.mkdir(parents=True, exist_ok=True)
        (folder / page.target).write_text(_document(page, found), encoding="utf-8")
    return len(found)


def _led(page: Page, found: Mapping[str, Page], root: Path, files: dict[str, Path]) -> Iterator[str]:
    """Lead the links of a page to where they stand on the site; those that lead nowhere, in words."""
    for link in page.body.xpath(".//@href | .//@src"):
        element, name, parts = link.getparent(), link.attrname, urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page.source), unquote(parts.path)))
        path = page.source if not parts.path else path
        anchor = unquote(parts.fragment)
        if other := found.get(path):
            if anchor and anchor not in other.ids:
                yield f"{page.source}: {link} (there is no such heading)"
            element.set(name, _way(page.target, other.target) + (f"#{anchor}" if anchor else ""))
        elif (root / path).is_file():
            files[f"files/{path}"] = root / path
            element.set(name, _way(page.target, f"files/{path}"))
        elif (root / path).is_dir():
            # A folder of the repository; the site has none.
            element.drop_tag()
        else:
            yield f"{page.source}: {link}"


def _way(here: str, there: str) -> str:
    return posixpath.relpath(there, posixpath.dirname(here) or ".")


def _document(page: Page, found: Mapping[str, Page]) -> str:
    sections = "".join(
        f"<h2>{escape(heading)}</h2><ul>{''.join(_entry(page, found[source]) for source in sources)}</ul>"
        for heading, sources in NAVIGATION.items()
    )
    language = "ko" if _KOREAN.match(page.source) else "en"
    body = html.tostring(page.body, encoding="unicode")
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}</title><style>{_STYLE}</style></head>"
        f'<body><nav aria-label="Pages">{sections}</nav>{body}</body>'
        "</html>\n"
    )


def _entry(page: Page, other: Page) -> str:
    current = ' aria-current="page"' if other is page else ""
    return f'<li><a href="{_way(page.target, other.target)}"{current}>{escape(other.title)}</a></li>'


_STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#d8dee4, #3d444d); --soft: light-dark(#f6f8fa, #1c2128);
  --link: light-dark(#0550ae, #6cb6ff) }
body { margin: 0; display: grid; grid-template-columns: 15rem minmax(0, 48rem); gap: 0 3rem; justify-content: center;
  font: 1rem/1.6 system-ui, "Noto Sans KR", sans-serif; background: light-dark(#fff, #0d1117);
  color: light-dark(#1f2328, #e6edf3) }
a { color: var(--link) } nav { padding: 1.5rem 1rem; font-size: .9rem }
nav ul { list-style: none; padding: 0; margin: 0 }
nav h2 { font-size: .8rem; margin: 1.2rem 0 .2rem } nav a { text-decoration: none; display: block; padding: .1rem 0 }
nav a[aria-current] { font-weight: 600 } main { padding: 1rem 1rem 4rem }
pre { background: var(--soft); padding: .8rem 1rem; overflow-x: auto; border-radius: 6px; line-height: 1.4 }
code { font-size: .875em; background: var(--soft); border-radius: 4px; padding: .1em .25em } pre code { padding: 0 }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: .9rem }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top }
img { max-width: 100% } h1, h2 { line-height: 1.25; border-bottom: 1px solid var(--line); padding-bottom: .3rem }
nav h2 { border: 0 } a:focus-visible { outline: 2px solid var(--link) }
@media (max-width: 60rem) {
  body { display: flex; flex-direction: column } nav { order: 1; border-top: 1px solid var(--line) }
}
"""


def main() -> None:
    """Write the site into the folder that is named, else build/site."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT_ROOT / FOLDER
    try:
        count = build(PROJECT_ROOT, folder)
    except SiteError as error:
        sys.exit(str(error))
    click.echo(f"{count} pages: open {folder / 'index.html'}")


if __name__ == "__main__":
    main()


def reference(group: click.Group) -> str:
    """The page, as Markdown."""
    lines = [
        "# Commands",
        "",
        "Every command with its options, as `--help` shows it. Those that end take `--json`;",
        "[the command line](docs/command-line.md) says what they have in common.",
        "",
    ]
    for path, command in leaves(group):
        lines += _of_command(path, command)
    return "\n".join(lines)


def _of_command(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=f"crawlpush {path}", terminal_width=100)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"## crawlpush {path}", "", *_paragraphs(command.help or ""), f"    crawlpush {path} {usage}", "")
    if example := (command.epilog or "").partition("crawlpush ")[2]:
        yield from ("For example:", "", f"    crawlpush {example}", "")
    options = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    if options:
        yield from ("| option | meaning |", "| --- | --- |")
        yield from (f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in options)
        yield ""


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from (_plain(" ".join(paragraph.split())), "")


def _cell(text: str) -> str:
    return _plain(" ".join(text.split())).replace("|", "\\|")


def _plain(text: str) -> str:
    """Outside of code, a star and an angle bracket are Markdown's."""
    return re.sub(r"(`[^`]*`)|([*<])", lambda found: found[1] or f"\\{found[2]}", text)
