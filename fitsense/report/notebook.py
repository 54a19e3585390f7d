"""The report as a part of another page, for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence

from fitsense.catalogue import Catalogue
from fitsense.report.page import page
from fitsense.report.totals import Report

_HEIGHT_PX = 720


def embedded(reports: Sequence[Report], name: str, catalogue: Catalogue | None = None) -> str:
    """Render reports as :func:`~fitsense.report.page.page` does, in a frame: neither page then styles the other."""
    document = html.escape(page(reports, name, catalogue), quote=True)
    style = f"width: 100%; height: {_HEIGHT_PX}px; border: 0"
    return f'<iframe title="Report" style="{style}" srcdoc="{document}"></iframe>'
