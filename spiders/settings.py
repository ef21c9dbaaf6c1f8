"""Scrapy's settings for this project: of `scrapy list`, `scrapy crawl`, `scrapy shell`, and of each crawl.

What a site or the installation decides (delays, limits, the User-Agent, the database) is set on top of them by
spiders.child.run. Names in capitals are Scrapy's; each of ours is described where it is read.
"""

import os

BOT_NAME = "crawlpush"
# Packages of your own spiders may be added, separated by commas; they must be importable.
SPIDER_MODULES = [
    "spiders.listing",
    "spiders.feed",
    "spiders.json",
    "spiders.fetching",
    "spiders.proposing",
    "spiders.repairing",
    "spiders.sites",
    *filter(None, os.environ.get("CRAWL_SPIDER_MODULES", "").split(",")),
]

# Politeness.
USER_AGENT = "crawlpush"
ROBOTSTXT_OBEY = True
CONCURRENT_REQUESTS = 4
CONCURRENT_REQUESTS_PER_DOMAIN = 1
DOWNLOAD_DELAY = 1.0
AUTOTHROTTLE_ENABLED = True
AUTOTHROTTLE_START_DELAY = 1.0
AUTOTHROTTLE_MAX_DELAY = 30.0
RETRY_TIMES = 1
# Whatever ends a request without a page is logged once, by FailedRequestsMiddleware or by Scrapy's scraper.
RETRY_GIVE_UP_LOG_LEVEL = "DEBUG"
REDIRECT_MAX_TIMES = 5
# Seconds: by a longer refresh a page reloads itself, or says goodbye, and is read.
METAREFRESH_MAXDELAY = 30
DOWNLOAD_TIMEOUT = 30
DNS_TIMEOUT = 20
# Gateways that set a cookie and send the browser round again are common; the jar lives as long as the crawl.
COOKIES_ENABLED = True
DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/atom+xml,application/rss+xml,application/feed+json,"
    "application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "*",
}

# Safety.
# What is lost is looked at by UnpackingMiddleware.
DOWNLOAD_FAIL_ON_DATALOSS = False
DOWNLOAD_MAXSIZE = 8_000_000
DOWNLOAD_WARNSIZE = 0
# The web and nothing else: no files of this machine, no FTP, no cloud storage.
DOWNLOAD_HANDLERS = {
    "data": None,
    "file": None,
    "ftp": None,
    "s3": None,
    "http": "spiders.child.download.WebDownloadHandler",
    "https": "spiders.child.download.WebDownloadHandler",
}
# Who may be reached is decided on the address that is connected to; a proxy would hide it.
HTTPPROXY_ENABLED = False
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
TWISTED_REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"
# Finds IPv6 addresses too.
TWISTED_DNS_RESOLVER = "scrapy.resolver.CachingHostnameResolver"
REACTOR_THREADPOOL_MAXSIZE = 4

DOWNLOADER_MIDDLEWARES = {
    # Before RobotsTxtMiddleware: another host is not even asked for its robots.txt.
    "spiders.post_pages.SameHostMiddleware": 90,
    # The same: where no login is tried nothing is asked for. It sees answers after everything else.
    "spiders.sessions.SessionMiddleware": 95,
    "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware": None,
    "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware": None,
    "scrapy.downloadermiddlewares.httpcache.HttpCacheMiddleware": None,
    # After RobotsTxtMiddleware, whose requests it answers, and outside of redirects, which robots.txt may take.
    "spiders.robots.KeptRobotsMiddleware": 110,
    # Each address of a redirect has an origin of its own.
    "spiders.middlewares.LoginMiddleware": 620,
    # In place of Scrapy's own, of which they are.
    "scrapy.downloadermiddlewares.redirect.MetaRefreshMiddleware": None,
    "spiders.answers.RefreshMiddleware": 580,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
    "spiders.answers.UnpackingMiddleware": 590,
    # Before RetryMiddleware, which would try again at once.
    "spiders.middlewares.RetryAfterMiddleware": 560,
    # Inside of redirects: each address has validators of its own.
    "spiders.middlewares.ConditionalGetMiddleware": 610,
}
SPIDER_MIDDLEWARES = {"spiders.middlewares.FailedRequestsMiddleware": 30}
ITEM_PIPELINES = {"spiders.pipelines.StorePostPipeline": 500}

# Ours; and of Scrapy's own, which all would be imported to be switched off (telnet and remote control take 9 MB), those
# that do something: less to start, less to log.
EXTENSIONS = {"spiders.post_pages.PostPages": 500}
EXTENSIONS_BASE = {
    "scrapy.extensions.closespider.CloseSpider": 0,
    "scrapy.extensions.feedexport.FeedExporter": 0,
    "scrapy.extensions.logstats.LogStats": 0,
    "scrapy.extensions.throttle.AutoThrottle": 0,
}
STATS_DUMP = False
LOG_VERSIONS: list[str] = []
# It reads and parses the source of each callback.
WARN_ON_GENERATOR_RETURN_VALUE = False
