"""What a client starts from, what it returns, and whether that follows what it trained."""
