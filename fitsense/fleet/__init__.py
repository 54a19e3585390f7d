"""Batch analysis of a video library on all cores or on a Ray cluster; needs ``fitsense[ray]``.

::

    library  ->  videos without results  ->  a pool of workers on Ray Data  ->  results
"""

from fitsense.fleet.run import Fleet, analyze_library

__all__ = ["Fleet", "analyze_library"]
