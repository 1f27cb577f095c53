"""What Sphinx is told of the site; see `docs/generator`."""

from sphinx.application import Sphinx

project = "Danbao"
author = "the Danbao authors"
html_title = "Danbao"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_made/*"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
myst_ref_domains = ["std"]
templates_path: list[str] = []
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["danbao.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1d6fa5", "color-brand-content": "#1d6fa5"},
    "dark_css_variables": {"color-brand-primary": "#5fb0e6", "color-brand-content": "#5fb0e6"},
    "footer_icons": [],
}


def setup(app: Sphinx) -> None:
    """What a snippet prints is a block of its own kind, `output`, which is shown as plain text."""
    from pygments.lexers.special import TextLexer  # noqa: PLC0415

    app.add_lexer("output", TextLexer)
