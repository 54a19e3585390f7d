"""Tests of fitsense.

Importing this sets the default bundle of all tests, and of the programs that they start, to one that needs no files of
others, so that results depend neither on the network nor on what a machine has fetched before.
"""

import os

os.environ.setdefault("FITSENSE_BUNDLE", "gym-video")
