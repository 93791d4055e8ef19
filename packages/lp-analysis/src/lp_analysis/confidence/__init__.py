"""What the confidence of a prediction means."""
