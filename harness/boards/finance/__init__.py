"""The finance board: the sentiment of sentences from financial news and tweets."""
