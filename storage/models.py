"""Every table of crawlpush; each stands in a module of `storage/tables/`, and is imported from here.

Times are aware datetimes in UTC on the way in and on the way out, whatever the database keeps. Each unique
constraint is a promise (see docs/architecture.md): code may try anything twice, the constraint decides.
"""

from storage.tables.access import API_SCOPES, ApiKey, Change, Installation, OperatorSecret
from storage.tables.channels import ChannelHealth, ChannelState, Pause
from storage.tables.crawling import (
    EXTERNAL_ID_LENGTH,
    FANOUT_IS_OPEN,
    FANOUT_STATES,
    RUN_STATUSES,
    RUN_UNFINISHED,
    CrawlRun,
    FanOutRange,
    Post,
    PostEdit,
    Story,
)
from storage.tables.delivery import DELIVERY_STATUSES, NOTIFICATION_STATUSES, Delivery, Digest, Notification
from storage.tables.people import (
    KEYWORD_KINDS,
    PACES,
    TOKEN_LENGTH,
    Device,
    Keyword,
    Subscription,
    SubscriptionExclusion,
    User,
)
from storage.tables.sites import EDITS, Edits, PageValidator, RobotsFile, Showing, Site, SiteSession
from storage.types import Base

metadata = Base.metadata
"""Of all tables."""
