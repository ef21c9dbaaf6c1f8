"""Scrapy's command line: `python -m spiders.command list`, the same as `scrapy list` where that one starts.

With the h2 that apns2 needs, Scrapy's own script does not get as far as this project's settings.
"""

import spiders.without_http2  # noqa: F401 - before Scrapy

# isort: split

from scrapy.cmdline import execute


def main() -> None:
    """Run the command that the arguments name."""
    execute()


if __name__ == "__main__":
    main()
