"""Who may use the HTTP API, who operates by the pages, and what they changed."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.types import Base, BigId, one_of

API_SCOPES = ("app", "sites", "read", "install", "sign")


class ApiKey(Base):
    """A key for the HTTP API. Of a secret one only the hash is kept; it is shown once, when it is made."""

    __tablename__ = "api_keys"
    __table_args__ = (one_of("scope", API_SCOPES), Index("ix_api_keys_name", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    # Two valid keys may have one name, so that one can replace the other without a pause.
    name: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(16))
    # The part of the key that finds its row, and that lists show; for a signing key the `kid` of its tokens.
    prefix: Mapped[str] = mapped_column(String(32), unique=True)
    # SHA-256 of the whole key: 256 random bits need no slow hash.
    hash: Mapped[str | None] = mapped_column(String(64))
    # Of a key that signs users' tokens: ES256 with the public key, or HS256 with the secret itself.
    algorithm: Mapped[str | None] = mapped_column(String(16))
    verification_key: Mapped[str | None]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    def __repr__(self) -> str:
        return f"ApiKey(id={self.id}, name={self.name!r}, scope={self.scope!r})"


class Installation(Base):
    """A phone without a login: the anonymous user that it got, and the hash of the secret in its keychain."""

    __tablename__ = "installations"
    __table_args__ = (Index("ix_installations_user_id", "user_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]

    def __repr__(self) -> str:
        return f"Installation(id={self.id}, user_id={self.user_id})"


class OperatorSecret(Base):
    """A link that signs an operator in once, or a session of one; of its secret the hash alone is kept."""

    __tablename__ = "operator_secrets"
    __table_args__ = (one_of("kind", ("link", "session")),)

    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    operator: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    def __repr__(self) -> str:
        return f"OperatorSecret(kind={self.kind!r}, operator={self.operator!r})"


class Change(Base):
    """What an operator changed by the pages: who, what and when, as the command that does the same."""

    __tablename__ = "changes"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    operator: Mapped[str] = mapped_column(String(255))
    # The subcommand and what it is about, such as "crawl board".
    what: Mapped[str]
    # With every word that may hold a secret masked.
    command: Mapped[str]
    # What it said. None: it was begun, and nobody knows how it ended.
    outcome: Mapped[str | None]
