"""The public ranking: view model, stream, addresses and pages."""
