"""``python -m fitsense``."""

from fitsense.cli import main

main(prog_name="fitsense")
