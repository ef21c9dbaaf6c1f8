"""What a drill found, for a person and for a program, with what the database says of some examples."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.drill.kinds import Kind
from scripts.drill.plan import Plan
from scripts.testbed import database as questions
from scripts.testbed.population import Notice
from scripts.testbed.verdict import Pair, Verdict
from storage.session import Database

EXPLAINED = 50
"""So many examples of each sort are looked up in the database."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a drill found."""

    plan: Plan
    notifications: int
    # How often a post was edited.
    edits: int
    verdict: Verdict
    done: Mapping[Kind, int]
    # What the API answered: how many were right, how many said 503 and when to ask again, and how many did not come.
    answers: Mapping[str, float]
    # Processes that ended without being told to, and how often.
    ended: Mapping[str, int]
    seconds: float
    # From the healing until nothing was owed.
    healed_s: float
    # From a notification's row to its last send, the longest.
    slowest_s: float

    def to_json(self) -> dict[str, Any]:
        """Everything but the plan, which the seed tells."""
        return {
            "seed": self.plan.seed,
            "notifications": self.notifications,
            "edits": self.edits,
            "faults": {str(kind): count for kind, count in self.done.items() if count},
            **asdict(self.verdict),
            "answers": dict(self.answers),
            "ended_by_themselves": dict(self.ended),
            "seconds": round(self.seconds),
            "healed_s": round(self.healed_s),
            "slowest_s": round(self.slowest_s),
        }


def write_findings(
    folder: Path,
    database: Database,
    result: Result,
    appeared: Sequence[Notice],
    examples: Mapping[str, Sequence[Pair]],
    wrong_answers: Sequence[str],
) -> None:
    """Write the counts into the folder, and what the database says of the examples; no token is among it."""
    numbered = {notice.number: notice for notice in appeared}
    findings: dict[str, Any] = {**result.to_json(), "wrong_answers_examples": list(wrong_answers[:EXPLAINED])}
    for name, pairs in examples.items():
        findings[f"{name}_examples"] = [
            questions.explain(database, numbered.get(post), token) for post, token in pairs[:EXPLAINED]
        ]
    (folder / "findings.json").write_text(json.dumps(findings, indent=1, ensure_ascii=False))
