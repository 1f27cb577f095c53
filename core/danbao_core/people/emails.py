"""E-mail addresses: one way of writing each."""


def email_of(text: str) -> str:
    """An address that the contract's rules have let pass, always written the same: domains do not tell capitals apart."""
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"
