"""Evaluation of bundles on labelled clips; needs ``fitsense[torch]``, which brings scikit-learn."""
