"""A library of videos, analysed on all cores of a machine or on a Ray cluster; needs ``fitsense[ray]``.

::

    library  ->  what the results lack  ->  a pool of workers on Ray Data  ->  results
"""

from fitsense.fleet.run import Fleet, analyze_library

__all__ = ["Fleet", "analyze_library"]
