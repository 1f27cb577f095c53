"""`python -m danbao_core` is the `danbao` command."""

from danbao_core.cli import main

if __name__ == "__main__":
    main()
