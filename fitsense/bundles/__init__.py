"""Model bundles that come with fitsense, a folder each."""
