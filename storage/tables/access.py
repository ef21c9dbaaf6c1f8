"""Who may use the HTTP API."""

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
