"""A provider whose callbacks are proof, so that counting is measured and not an operator's rate."""

from dataclasses import dataclass

from tests.rigs.scripted_provider import ScriptedProvider


@dataclass
class ProofProvider(ScriptedProvider):
    """`mtn_momo` in name; its stored callbacks are evidence by themselves."""
