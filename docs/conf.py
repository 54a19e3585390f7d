"""Sphinx configuration of the site: ``python -m sphinx -W --keep-going docs build/docs``."""

from __future__ import annotations

import sys
from pathlib import Path

import fitsense

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "fitsense"
version = release = fitsense.__version__
extensions = [
    "bundle_figures",
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "schema_tables",
    "sphinx.ext.autodoc",
    "sphinx_click",
]
# The examples are packages of their own.
exclude_patterns = ["examples"]
default_role = "code"
smartquotes = False  # --option is no dash

html_theme = "furo"
html_title = f"fitsense {fitsense.__version__}"
html_show_copyright = False

myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
_ALIASES = ("Activation", "FloatArray", "Source", "Task", "TimeArray", "UInt8Array")
autodoc_type_aliases = {name: name for name in _ALIASES}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

plot_formats = ["svg"]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_rcparams = {
    "figure.figsize": (7.5, 3.2),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9,
    "svg.fonttype": "none",
}
plot_apply_rcparams = True
