"""Compare models by their pixel errors."""
