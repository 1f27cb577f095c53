"""The bank of a sandbox: a process of its own with its own store, which fails in every way that a bank can."""
