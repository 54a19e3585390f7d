"""Torch helpers for networks. Imported lazily; needs ``fitsense[torch]``."""
