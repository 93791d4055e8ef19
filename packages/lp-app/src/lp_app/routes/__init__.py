"""What the server answers; every route is checked by `lp_app.guard` first."""
