"""Imported before Scrapy: keeps Twisted from an h2 that does not import.

apns2 pins h2 below 3, which takes names from `collections` that Python 3.10 moved. Twisted's web server looks for h2
and lives without it, but only an ImportError tells it so. No crawl uses HTTP/2.
"""

import sys

if "twisted.web.http" not in sys.modules:
    try:
        import h2.connection  # noqa: F401
    except (ImportError, AttributeError):
        # None makes the import raise ModuleNotFoundError.
        sys.modules["twisted.web._http2"] = None  # type: ignore[assignment]
