"""Export of networks to the files of a bundle; needs ``fitsense[torch]``."""
