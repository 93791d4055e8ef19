"""The joint tracker of several cameras: tokens of all views of a frame attend to each other."""
