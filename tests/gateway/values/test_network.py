"""Networks as an operator of the service types them, and addresses as they come."""

import pytest

from gateway.values.network import comes_from, read_networks


@pytest.mark.parametrize(
    "text", ["0.0.0.0/0", "::/0", "128.0.0.0/1", "10.0.0.1/8", "everybody", "10.0.0.0/8 11.0.0.0/8"]
)
def test_networks_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|everybody|host bits|address"):
        read_networks(text)


def test_an_address_alone_is_a_network() -> None:
    networks = read_networks("212.88.125.100,, 212.88.100.195 ")
    assert comes_from("212.88.100.195", networks)
    assert not comes_from("212.88.100.196", networks)
