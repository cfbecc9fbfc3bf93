"""Steps of the schema, in order of their numbers: expand, deploy, contract."""
