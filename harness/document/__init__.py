"""Documents: what is written to disk or sent to another process, and the files it lies in.

`harness.document.Document` is part of the interface for plugins.
"""

from harness.document.document import (
    Document,
    canonical_json,
    digest_of,
    explain,
    parse_document,
    pretty_json,
    sha256_text,
)
from harness.document.file_digests import sha256_file
from harness.document.reading import parse_json, read_document, read_json, read_text
from harness.document.writing import replacing, write_atomic, write_document

__all__ = [
    "Document",
    "canonical_json",
    "digest_of",
    "explain",
    "parse_document",
    "parse_json",
    "pretty_json",
    "read_document",
    "read_json",
    "read_text",
    "replacing",
    "sha256_file",
    "sha256_text",
    "write_atomic",
    "write_document",
]
