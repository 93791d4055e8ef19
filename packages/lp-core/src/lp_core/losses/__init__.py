"""Losses: their contract, and the factory that combines them."""
