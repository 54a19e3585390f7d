"""Teaching a bundle further exercises from a few clips, without torch."""
