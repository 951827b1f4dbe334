"""What every resource of the API builds on: who asks, bodies, cursors, answers, errors, limits. Imports no resource."""
