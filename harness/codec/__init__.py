"""Message codecs: what numbers become on the wire, their sizes, and what is lost by them."""
