"""HTTP: routes, errors, access, activity, the dashboard."""
