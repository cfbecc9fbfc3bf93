"""People: invitations, their roles, and the organisers whom they work for."""
