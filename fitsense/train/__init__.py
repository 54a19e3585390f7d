"""Training of bundles; needs ``fitsense[torch]``."""
