"""What the configuration says of an etcd cluster."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from actions.errors import ConfigurationError
from actions.subjects.etcd.client import Credentials
from actions.subjects.transport import EndpointUrl, Tls

MemberName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]


class EtcdConfig(BaseModel):
    """One `[subjects.NAME]` section with `kind = "etcd"`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["etcd"] = "etcd"
    members: Annotated[dict[MemberName, EndpointUrl], Field(min_length=1, max_length=9)]
    """Client URL of each member, under the name that the member has in its cluster."""
    username: str | None = None
    password_env: str | None = None
    """The environment variable that holds the password."""
    tls: Tls | None = None
    supervisor: str | None = None
    """The subject that starts and stops the members' processes."""
    processes: dict[MemberName, str] = Field(default_factory=dict)
    """Each member's process, as that subject names it."""
    probe_key: str | None = None
    """A key that may be overwritten to see whether writes are taken again; without one, nothing is written to look."""
    probe_within: Annotated[float, Field(gt=0, le=5)] = 1.0
    """Seconds that a member may take to say how it is."""

    @model_validator(mode="after")
    def _belongs_together(self) -> "EtcdConfig":
        if (self.username is None) != (self.password_env is None):
            raise ValueError("username and password_env go together")
        if self.processes and self.supervisor is None:
            raise ValueError("processes needs supervisor: the name of the subject that runs them")
        strangers = self.processes.keys() - self.members.keys()
        if strangers:
            raise ValueError(f"processes names {', '.join(sorted(strangers))}, which members does not")
        return self

    def credentials(self, environ: Mapping[str, str]) -> Credentials | None:
        """Return the credentials, with the password from *environ*. Raises `ConfigurationError` if it is not there."""
        if self.username is None or self.password_env is None:
            return None
        password = environ.get(self.password_env)
        if not password:
            raise ConfigurationError(
                f"The environment variable {self.password_env} is not set: it must hold the etcd password of "
                f"{self.username}."
            )
        return Credentials(username=self.username, password=password)
