"""Settings of the page, from the environment, and the locations that it may open."""

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from tasks.environment_variables import (
    WEB_INPUTS,
    WEB_PROXIES,
    WEB_RESULTS,
    WEB_URL,
    read_inbox,
    read_web_bytes,
    read_web_password,
    read_web_read_only,
    read_web_url,
    read_web_user_header,
    read_words,
)
from tasks.errors import BadInput
from tasks.storage.location import Location, parse_address, to_address
from tasks.storage.store_errors import NoSuchObject

__all__ = ["WebSettings", "parse_address", "read_web_settings", "to_address"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class WebSettings:
    """Settings of the page.

    Attributes:
        results: Folders whose runs it shows.
        inputs: Folders of models and movies.
        inbox: The folder that movies are uploaded to; None where there is none.
        password: What people must know; None where nothing is asked.
        user_header: Header in which a proxy names the person; None where there is no such proxy.
        proxies: Where that proxy's requests come from.
        url: Where people open the page; None where it is not told.
        is_read_only: Whether nothing may be started or uploaded.
        has_store_links: Whether browsers get files from the store itself, by signed links.
    """

    results: tuple[Location, ...] = ()
    inputs: tuple[Location, ...] = ()
    inbox: Location | None = None
    password: str | None = field(default=None, repr=False)
    user_header: str | None = None
    proxies: tuple[Network, ...] = ()
    url: str | None = None
    is_read_only: bool = False
    has_store_links: bool = False

    @property
    def folders(self) -> tuple[Location, ...]:
        """Every folder below which something may be opened."""
        return (*self.results, *self.inputs, *((self.inbox,) if self.inbox else ()))

    @property
    def has_login(self) -> bool:
        """Return whether people have to say who they are, here or to a proxy."""
        return bool(self.password or self.user_header)

    def check_readable(self, location: Location) -> Location:
        """Check that something may be opened on the page.

        Args:
            location: Any location, as a stranger may have written it.

        Returns:
            The location.

        Raises:
            NoSuchObject: It is not below one of the folders, or a link in them leads elsewhere.
        """
        if not any(_is_below(location, folder) for folder in self.folders):
            raise NoSuchObject(
                f"{location}: expected a location below those that this page shows; ask whoever "
                f"runs it to add it to {WEB_RESULTS} or {WEB_INPUTS}."
            )
        return location

    def name_in_results(self, location: Location) -> str:
        """Name a run by its path below the folder with results that it lies in."""
        texts = [str(folder) for folder in self.results if _is_below(location, folder)]
        longest = max(texts, key=len, default="")
        return str(location).removeprefix(longest).strip("/") or location.name or str(location)


def read_web_settings() -> WebSettings:
    """Read the settings from the environment.

    Raises:
        BadInput: One of the variables holds what it should not.
    """
    inbox = _parse_folder(text) if (text := read_inbox()) else None
    usual = (Location(inbox.bucket, ""),) if inbox and inbox.bucket else (inbox,) if inbox else ()
    url = read_web_url()
    if url and not (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).hostname):
        raise BadInput(f"{WEB_URL}: expected http:// or https:// and a host, found {url!r}")
    return WebSettings(
        results=tuple(map(_parse_folder, read_words(WEB_RESULTS))) or usual,
        inputs=tuple(map(_parse_folder, read_words(WEB_INPUTS))) or usual,
        inbox=inbox,
        password=read_web_password(),
        user_header=read_web_user_header(),
        proxies=_parse_networks(read_words(WEB_PROXIES) or WEB_PROXIES.default.split()),
        url=url,
        is_read_only=read_web_read_only(),
        has_store_links=read_web_bytes() == "store",
    )


def _parse_folder(text: str) -> Location:
    location = Location.parse(unquote(text) if "%20" in text else text)
    return location if location.key.endswith("/") or not location.key else _with_slash(location)


def _with_slash(location: Location) -> Location:
    return Location(location.bucket, f"{location.key}/")


def _is_below(location: Location, folder: Location) -> bool:
    if location.bucket != folder.bucket or not f"{location.key}/".startswith(folder.key):
        return False
    if not location.is_local:
        return True
    # Links to elsewhere are for people with an account on this machine.
    real, root = os.path.realpath(location.key), os.path.realpath(folder.key)
    return os.path.commonpath([real, root]) == root


def _parse_networks(words: Iterable[str]) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in words)
    except ValueError as error:
        raise BadInput(
            f"{WEB_PROXIES}: expected IP addresses or networks, found {error}; change it"
        ) from error
