"""Names that people type, by how they begin."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.models import Site, User

_COLUMNS = {"site": Site.name, "user": User.external_id}


def names_beginning(session: Session, kind: str, beginning: str, *, limit: int) -> Sequence[str]:
    """At most so many names of a kind, "site" or "user", that begin with these letters, in their order."""
    column = _COLUMNS[kind]
    query = select(column).where(column.startswith(beginning, autoescape=True)).order_by(column).limit(limit)
    return session.scalars(query).all()
