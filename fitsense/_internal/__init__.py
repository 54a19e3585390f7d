"""Helpers of fitsense's own modules. Nothing here is API."""
