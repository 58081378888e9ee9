"""The server of a federation: who is asked, what a reply must be, what a round leaves."""
