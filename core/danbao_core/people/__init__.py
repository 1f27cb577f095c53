"""People: who is behind an account, what shows that it is them, and what they may spend."""
