"""Hooks of mkdocs: generated pages go in, and what was built is looked through."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import generated

OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
"""A link from a page to a file of the repository, which the site has not."""
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)[^>]*\ssrc=[\"']?(?:https?:)?//[^\s\"'>]+"
    r"|<link(?![^>]*rel=[\"']?(?:canonical|alternate))[^>]*\shref=[\"']?(?:https?:)?//[^\s\"'>]+"
    r"|@import[^;]*//[^;]+|url\([\"']?(?:https?:)?//[^)]+",
    re.IGNORECASE,
)
"""What a browser would fetch from elsewhere when it shows a page."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that follow from the code."""
    for path, text in generated.pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Show a link that leads out of the site as its text."""
    return OUTSIDE.sub(r"`\1`", markdown)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that fetches anything from elsewhere.

    Raises:
        PluginError: a page or a style sheet does.
    """
    for path in sorted(Path(config.site_dir).rglob("*")):
        if path.suffix in (".html", ".css"):
            for found in FETCHED.findall(path.read_text(encoding="utf-8")):
                raise PluginError(f"{path}: would fetch from elsewhere: {found:.200}")
