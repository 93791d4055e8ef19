"""Projects, labels and predictions from other tools into lp, and back."""
