"""Where a model is served: the address of a server, the model's name, its version or label."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from ganzoo.errors import InputError

FORMS = "host:port, grpc://host:port[/MODEL[/VERSION]] or http://host:port[/v1/models/MODEL[/versions/VERSION]]"
_REST = "/v1/models"
_MODEL = r"/(?P<model>[^/:]+)(?:/(?:versions/)?(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PATHS = {
    "grpc": re.compile(rf"(?P<prefix>)(?:{_MODEL})?/?"),
    "http": re.compile(rf"(?P<prefix>(?:/[^:]*?)??)(?:{_REST}{_MODEL})?/?"),
}
_MOST = 2**63 - 1


@dataclass(frozen=True)
class Address:
    """A model on a server.

    Args:
        scheme: `"grpc"`, `"http"` or `"https"`.
        server: `host:port`, and of REST whatever comes before `/v1`.
        model: its name on the server.
        version: one version; None for the newest, or that of the label.
        label: of a version, as the server's configuration has it.
    """

    scheme: str
    server: str
    model: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.server}{self.path.removeprefix(_REST) if self.scheme == 'grpc' else self.path}"

    @property
    def path(self) -> str:
        """Of the model under REST: `/v1/models/NAME`, `/versions/N` or `/labels/L` behind it."""
        which = f"/versions/{self.version}" if self.version is not None else ""
        which = f"/labels/{quote(self.label, safe='')}" if self.label is not None else which
        return f"{_REST}/{quote(self.model, safe='')}{which}"


def is_address(text: str) -> bool:
    """Returns whether a text is meant as a server's address, not as a path; `host:port` alone may be either."""
    return text.startswith(("grpc://", "http://", "https://"))


def parsed(text: str, model: str | None = None, version: int | None = None, label: str | None = None) -> Address:
    """Returns the address of a model; its name, version or label may be in the text or beside it.

    Raises:
        InputError: if the text is no address, or names no model, or contradicts the other arguments.
    """
    whole = text if "://" in text else f"grpc://{text}"
    try:
        parts = urlsplit(whole)
        found = parts.hostname and (parts.port or parts.scheme != "grpc")
    except ValueError:  # a port that is no number, half of an IPv6 address
        found = None
    path = _PATHS.get(parts.scheme.removesuffix("s") if found else "")
    match = path and path.fullmatch(parts.path)
    if not match or parts.query or parts.fragment:
        raise InputError(f"{text!r} is no address of a server; give {FORMS}")
    said = {key: None if value is None else unquote(value) for key, value in match.groupdict().items()}
    if said["version"] is not None:
        said["version"] = int(said["version"])
    for key, given in (("model", model), ("version", version), ("label", label)):
        if None not in (given, said[key]) and given != said[key]:
            raise InputError(f"{key}={given!r} is not that of the address {text!r}; leave one of them out")
        said[key] = said[key] if given is None else given
    return _checked(Address(parts.scheme, parts.netloc + said.pop("prefix"), **said), text)


def _checked(address: Address, text: str) -> Address:
    if not address.model:
        raise InputError(f"the address {text!r} names no model; give its name on the server as model=")
    if address.version is not None and address.label is not None:
        raise InputError(
            f"version={address.version} and label={address.label!r}: a label stands for a version; give one of them"
        )
    if address.version is not None and not 0 <= address.version <= _MOST:
        raise InputError(f"version={address.version}: versions are integers from 0 to 2**63 - 1")
    return address
