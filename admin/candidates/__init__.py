"""Candidates as staff keep them: add, edit, import, approve, reject, withdraw."""
