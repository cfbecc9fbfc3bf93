"""Companies that carry texts, one module each; found by `gateway.runtime.discovery`."""
