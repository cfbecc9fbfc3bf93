"""Steps of the schema by number: expand, deploy, contract. A step that was released never changes."""
