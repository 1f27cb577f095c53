"""What a shell offers at Tab beyond the names of commands and options, which typer knows."""


def currencies(incomplete: str) -> list[str]:
    """The codes that begin as what was typed."""
    from danbao_core.money import CURRENCIES

    return [code for code in CURRENCIES if code.startswith(incomplete)]


def scopes(incomplete: str) -> list[str]:
    """The scopes of service keys that begin as what was typed."""
    from danbao_core.service_keys import GRANTED_SCOPES, SCOPES

    return sorted(scope for scope in {*SCOPES, *GRANTED_SCOPES} if scope.startswith(incomplete))
