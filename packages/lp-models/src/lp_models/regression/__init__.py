"""The regression tracker: coordinates straight from the image's features."""
