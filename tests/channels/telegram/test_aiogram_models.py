"""aiogram's models in a fresh process, before anything used one."""

import subprocess
import sys

PROGRAM = """
import channels.telegram.aiogram_models
from aiogram.types import Chat, Giveaway, Message
assert not Message.__pydantic_complete__
giveaway = Giveaway.model_validate(
    {"chats": [{"id": 5, "type": "private"}], "winners_selection_date": 1796000000, "winner_count": 1}
)
assert giveaway.chats == [Chat(id=5, type="private")]
message = {"message_id": 3, "date": 1796000000, "chat": {"id": 5, "type": "private"}}
assert Message.model_validate({**message, "reply_to_message": message}).reply_to_message.chat.id == 5
"""


def test_a_model_is_built_when_it_is_first_used() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
