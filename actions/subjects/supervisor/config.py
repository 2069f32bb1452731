"""What the configuration says of a supervisord."""

from collections.abc import Mapping
from typing import Annotated, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from actions.errors import ConfigurationError
from actions.subjects.transport import EndpointUrl, Tls


class SupervisorConfig(BaseModel):
    """One `[subjects.NAME]` section with `kind = "supervisor"`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["supervisor"] = "supervisor"
    url: EndpointUrl
    """Where its `inet_http_server` listens."""
    username: str | None = None
    password_env: str | None = None
    """The environment variable that holds the password."""
    tls: Tls | None = None
    stop_within: Annotated[float, Field(gt=0, le=300)] = 12.0
    """Seconds that a process gets to end when asked, before it is killed; more than the longest `stopwaitsecs`."""

    @model_validator(mode="after")
    def _belongs_together(self) -> "SupervisorConfig":
        if (self.username is None) != (self.password_env is None):
            raise ValueError("username and password_env go together")
        return self

    def auth(self, environ: Mapping[str, str]) -> httpx.Auth | None:
        """Return the credentials, with the password from *environ*. Raises `ConfigurationError` if it is not there."""
        if self.username is None or self.password_env is None:
            return None
        password = environ.get(self.password_env)
        if not password:
            raise ConfigurationError(
                f"The environment variable {self.password_env} is not set: it must hold the supervisord password of "
                f"{self.username}."
            )
        return httpx.BasicAuth(self.username, password)
