"""The bank: `port.py` says what is asked of one, the other modules how it is asked, and the bank of a sandbox."""
