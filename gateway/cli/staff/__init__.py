"""Commands of staff: clients of `/api/admin`, each signed in as one person."""
