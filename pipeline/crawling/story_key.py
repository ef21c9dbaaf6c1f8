"""Which titles are one story: what is left of a title when all is gone that boards add to it. Pure.

Two posts are one story when their keys are equal, and never otherwise: nothing here is a likeness. Where a title says
too little to be sure, it has no key, and its post is a story of its own: rather two pushes than a silence.
"""

import re
from collections.abc import Collection

from pipeline.fanout.phrases import normalise

LEAST = 8
"""Characters that a key has at least."""
LEAST_OF_ITS_OWN = 4
"""Characters that are left of it at least without what titles say everywhere."""
BADGES = frozenset(
    ("공지", "공지사항", "알림", "필독", "중요", "긴급", "새글", "n", "new", "hot", "notice", "important", "urgent")
)
"""What boards put into brackets around a title, and what says nothing of the post."""
_LABEL = re.compile(r"[\[(<{【〔「『〈《](?P<first>[^\[(<{【〔「『〈《\])>}】〕」』〉》]*)[\])>}】〕」』〉》]")
_REPLY = re.compile(r"[\[(]?\s*(?:re|fwd?|답변|답글|회신)\s*[\])]?\s*[:\]]|^[\[(](?:re|답변|답글)[\])]|^ㄴ")
_COMMON = re.compile(
    "안내(?:문|드립니다|말씀|입니다)?|공지(?:사항)?|알림|알려드립니다|게시판|학과|학부|전체|"
    "식단표?|메뉴|학식|주간|월간|이번주|다음주|금주|차주|오늘의?|일정|notice|announcements?|information|weekly|menu|today"
)
"""Words of titles that come again and again, and on boards that have nothing to do with each other."""


def story_key(title: str, labels: Collection[str] = ()) -> str | None:
    """The key of a post's story; None for a title that says too little, or that answers another.

    `labels` are what the site puts into brackets around titles, such as the name of its department. Digits stay, and
    apart: "1차" is not "2차", 1.5 is not 15. So do + and #: C is neither C++ nor C#.
    """
    text = normalise(title)
    if _REPLY.match(text):
        return None
    known = BADGES | {_squeezed(label) for label in labels}
    text = _without_labels(text, known)
    key = _squeezed(text)
    if len(key) < LEAST or len(_COMMON.sub("", key)) < LEAST_OF_ITS_OWN:
        return None
    return key


def _without_labels(text: str, known: Collection[str]) -> str:
    """The text without known labels at its ends; one in the middle belongs to the sentence."""
    while True:
        text = text.strip()
        ends = [match for match in _LABEL.finditer(text) if match.start() == 0 or match.end() == len(text)]
        label = next((match for match in ends if _squeezed(match["first"]) in known), None)
        if label is None:
            return text
        text = text[: label.start()] + text[label.end() :]


def _squeezed(text: str) -> str:
    """Letters, digits, + and #, and a dot wherever anything stood between two digits."""
    text = re.sub(r"(?<=\d)[^\w+#]+(?=\d)", ".", normalise(text))
    return re.sub(r"(?<!\d)\.|\.(?!\d)|[^\w+#.]|_", "", text)
