"""The browser app: choose frames of videos, label them, and look at predictions."""
