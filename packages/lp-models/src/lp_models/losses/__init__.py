"""The losses, supervised and unsupervised."""
