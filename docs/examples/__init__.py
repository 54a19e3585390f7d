"""Packages to begin with; ``fitsense plugins new`` copies one."""
