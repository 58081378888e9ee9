"""Names of SCAFFOLD's control variates in messages: a prefix before the tensor's own name."""

from __future__ import annotations

CONTROL = "control/"
"""The server's control variate c, sent down."""

CONTROL_DELTA = "control-delta/"
"""What a client's control variate changed by, c_i' - c_i, sent up."""

CLIENT_CONTROL = "client-control/"
"""A client's own control variate c_i, kept by it between its rounds."""
